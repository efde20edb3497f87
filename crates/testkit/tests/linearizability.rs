//! The checker itself: planted bad histories are refused, good ones accepted, and on thousands of small random ones it agrees with trying every order.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use stillpoint_testkit::Random;
use stillpoint_testkit::linearizability::{
    Call, Channel, ChannelEvent, Failure, History, Map, MapEvent, OrderedMap, OrderedMapEvent,
    PoolEvent, Queue, ReceiveOutcome, Recorder, Register, RegisterEvent, SendOutcome, Set,
    SetEvent, Specification, Stack, assert_linearizable, check,
};

/// A history, and the return that nothing explains.
#[track_caller]
fn refused<S: Specification>(
    specification: &S,
    calls: impl IntoIterator<Item = (usize, u64, u64, S::Event)>,
    at: u64,
) {
    match check(specification, &History::of(calls)) {
        Err(Failure::NotLinearizable(violation)) => {
            assert_eq!(violation.unexplained.returned, at, "{violation}");
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn accepted<S: Specification>(
    specification: &S,
    calls: impl IntoIterator<Item = (usize, u64, u64, S::Event)>,
) {
    assert_linearizable(specification, History::of(calls));
}

#[test]
fn a_stale_read_after_a_completed_write_is_refused_and_beside_it_accepted() {
    use RegisterEvent::{Read, Write};
    let register = Register { initial: 0 };
    refused(&register, [(0, 0, 1, Write(1)), (1, 1, 2, Read(0))], 2);
    accepted(&register, [(0, 0, 2, Write(1)), (1, 1, 3, Read(0))]);
    accepted(&register, [(0, 0, 3, Write(1)), (1, 1, 2, Read(1))]);
    // New, then old again.
    refused(&register, [(0, 0, 9, Write(1)), (1, 1, 2, Read(1)), (2, 2, 3, Read(0))], 3);
}

#[test]
fn a_lost_update_is_refused() {
    use MapEvent::{CompareExchange, Get, InsertNew, Update};
    let lost = [
        (0, 0, 3, Update("k", None, Some(1))),
        (1, 1, 2, Update("k", None, Some(1))),
        (2, 3, 4, Get("k", Some(1))),
    ];
    refused(&Map::default(), lost, 3);
    let twice = [
        (0, 0, 1, InsertNew("k", 0, Ok(()))),
        (0, 1, 4, CompareExchange("k", Some(0), Some(1), Ok(()))),
        (1, 2, 3, CompareExchange("k", Some(0), Some(2), Ok(()))),
    ];
    refused(&Map::default(), twice, 4);
    let one_of_two = [
        (0, 0, 1, InsertNew("k", 0, Ok(()))),
        (0, 1, 4, CompareExchange("k", Some(0), Some(1), Err(Some(2)))),
        (1, 2, 3, CompareExchange("k", Some(0), Some(2), Ok(()))),
    ];
    accepted(&Map::default(), one_of_two);
}

#[test]
fn keys_are_checked_apart() {
    use SetEvent::{Contains, Insert, Remove};
    accepted(
        &Set::default(),
        [(0, 0, 1, Insert(1, true)), (1, 0, 2, Insert(2, true)), (0, 2, 3, Contains(2, true))],
    );
    refused(
        &Set::default(),
        [(0, 0, 1, Insert(1, true)), (1, 0, 2, Insert(2, true)), (0, 2, 3, Remove(2, false))],
        3,
    );
}

#[test]
fn queues_refuse_inversion_doubles_inventions_and_false_emptiness() {
    use PoolEvent::{Pop, Push};
    let queue = Queue::default();
    let filled = [(0, 0, 1, Push(1)), (0, 1, 2, Push(2))];
    let then = |more: &[(usize, u64, u64, PoolEvent<i32>)]| [&filled[..], more].concat();
    accepted(
        &queue,
        then(&[(1, 2, 3, Pop(Some(1))), (1, 3, 4, Pop(Some(2))), (1, 4, 5, Pop(None))]),
    );
    refused(&queue, then(&[(1, 2, 3, Pop(Some(2)))]), 3);
    refused(&queue, then(&[(1, 2, 4, Pop(Some(1))), (2, 2, 3, Pop(Some(1)))]), 4);
    refused(&queue, then(&[(1, 2, 3, Pop(Some(3)))]), 3);
    refused(&queue, then(&[(1, 2, 3, Pop(None))]), 3);
    // Pushes that overlap may go in either way, but only one way.
    let either = [(0, 0, 1, Push(1)), (1, 0, 2, Push(2))];
    for (first, second) in [(1, 2), (2, 1)] {
        let pops = [(0, 2, 3, Pop(Some(first))), (0, 3, 4, Pop(Some(second)))];
        accepted(&queue, [&either[..], &pops].concat());
    }
    // A value that never comes out but went in before one that has: the queue says empty all the same.
    let lost = [(0, 2, 3, Pop(Some(1))), (0, 3, 4, Pop(None))];
    refused(&queue, [&either[..], &lost].concat(), 4);
}

#[test]
fn stacks_give_the_last_first() {
    use PoolEvent::{Pop, Push};
    let filled = [(0, 0, 1, Push(1)), (0, 1, 2, Push(2))];
    accepted(&Stack::default(), [&filled[..], &[(1, 2, 3, Pop(Some(2)))]].concat());
    refused(&Stack::default(), [&filled[..], &[(1, 2, 3, Pop(Some(1)))]].concat(), 3);
    // ABA: a pop that was under way all the time brings back what others had popped.
    let aba = [(1, 2, 3, Pop(Some(2))), (1, 3, 4, Pop(Some(1))), (2, 4, 5, Pop(Some(1)))];
    refused(&Stack::default(), [&filled[..], &aba].concat(), 5);
}

#[test]
fn channels_mind_their_bound_and_their_end() {
    use ChannelEvent::{Close, Receive as R, Send as S};
    let channel = Channel::bounded(1);
    let sent = (0, 0, 1, S(1, SendOutcome::Sent));
    accepted(&channel, [sent.clone(), (0, 1, 2, S(2, SendOutcome::Full))]);
    refused(&channel, [sent.clone(), (0, 1, 2, S(2, SendOutcome::Sent))], 2);
    refused(&channel, [(0, 0, 1, S(1, SendOutcome::Full))], 1);
    refused(&channel, [sent.clone(), (0, 1, 2, R(ReceiveOutcome::Empty))], 2);
    let close = (0, 1, 2, Close);
    accepted(&channel, [sent.clone(), close.clone(), (1, 2, 3, R(ReceiveOutcome::Received(1)))]);
    refused(&channel, [sent.clone(), close.clone(), (1, 2, 3, R(ReceiveOutcome::Closed))], 3);
    refused(&channel, [close, (1, 2, 3, S(1, SendOutcome::Sent))], 3);
    accepted(&channel.refuses_at_will(), [sent, (0, 1, 2, R(ReceiveOutcome::Empty))]);
}

#[test]
fn a_range_is_of_one_moment() {
    use OrderedMapEvent::{After, At, Before, Len, Range};
    let put = |thread, began, returned, key| {
        (thread, began, returned, At(MapEvent::Insert(key, 'v', None)))
    };
    let range = |began, returned, keys: &[i32]| {
        (9, began, returned, Range(0..=9, keys.iter().map(|&key| (key, 'v')).collect()))
    };
    let map = OrderedMap::default();
    accepted(&map, [put(0, 0, 1, 1), put(0, 1, 2, 2), range(2, 3, &[1, 2])]);
    refused(&map, [put(0, 0, 1, 1), put(0, 1, 2, 2), range(2, 3, &[2])], 3);
    // Under way: neither, the first, or both; not the second alone.
    for keys in [&[][..], &[1], &[1, 2]] {
        accepted(&map, [put(0, 0, 2, 1), put(0, 2, 3, 2), range(0, 4, keys)]);
    }
    refused(&map, [put(0, 0, 2, 1), put(0, 2, 3, 2), range(0, 4, &[2])], 4);
    let steps = [(1, 2, 3, After(None, Some((1, 'v')))), (1, 3, 4, Before(Some(1), None))];
    let both = [put(0, 0, 1, 1), put(0, 1, 2, 2)];
    accepted(&map, [&both[..], &steps, &[(1, 4, 5, Len(2))]].concat());
    refused(&map, [&both[..], &[(1, 2, 3, After(Some(1), None))]].concat(), 3);
}

/// Tries every order of the calls.
fn brute<S: Specification>(specification: &S, calls: &[Call<S::Event>]) -> bool {
    fn go<S: Specification>(s: &S, state: &S::State, left: &[Call<S::Event>]) -> bool {
        left.is_empty()
            || (0..left.len()).any(|i| {
                let mut rest = left.to_vec();
                let next = rest.remove(i);
                rest.iter().all(|other| other.returned > next.began)
                    && s.step(state, &next.event).is_some_and(|state| go(s, &state, &rest))
            })
    }
    go(specification, &specification.initial(), calls)
}

/// Random intervals for `count` calls of up to three threads.
fn random_history<E>(random: &mut Random, mut event: impl FnMut(&mut Random) -> E) -> History<E> {
    let mut clock = 0;
    let mut open: Vec<Option<u64>> = vec![None; 3];
    let (mut calls, count) = (Vec::new(), 2 + random.below(5));
    while (calls.len() as u64) < count {
        let thread = random.below(3) as usize;
        match open[thread].take() {
            None => open[thread] = Some(clock),
            Some(began) => {
                clock += 1;
                calls.push((thread, began, clock, event(random)));
            }
        }
    }
    History::of(calls)
}

fn agrees<S: Specification>(
    specification: &S,
    seed: u64,
    mut event: impl FnMut(&mut Random) -> S::Event,
) {
    let mut random = Random::new(seed);
    let mut good = 0;
    for _ in 0..4_000 {
        let history = random_history(&mut random, &mut event);
        let expected = brute(specification, history.calls());
        assert_eq!(check(specification, &history).is_ok(), expected, "{history:?}");
        good += u32::from(expected);
    }
    assert!((100..3_900).contains(&good), "{good} of 4,000 are linearizable: too one-sided");
}

#[test]
fn it_agrees_with_trying_every_order() {
    let value = |random: &mut Random| random.below(2);
    let maybe = |random: &mut Random| random.percent(50).then(|| random.below(2));
    agrees(&Register { initial: 0 }, 1, |random| match random.below(3) {
        0 => RegisterEvent::Read(value(random)),
        1 => RegisterEvent::Write(value(random)),
        _ => RegisterEvent::Swap(value(random), value(random)),
    });
    agrees(&Map::default(), 2, |random| match random.below(3) {
        0 => MapEvent::Get(value(random), maybe(random)),
        1 => MapEvent::Insert(value(random), value(random), maybe(random)),
        _ => MapEvent::Remove(value(random), maybe(random)),
    });
    agrees(&Queue::default(), 3, |random| match random.percent(55) {
        true => PoolEvent::Push(value(random)),
        false => PoolEvent::Pop(maybe(random)),
    });
    agrees(&Stack::default(), 4, |random| match random.percent(55) {
        true => PoolEvent::Push(value(random)),
        false => PoolEvent::Pop(maybe(random)),
    });
    agrees(&OrderedMap::default(), 5, |random| match random.percent(60) {
        true => MapEvent::Insert(value(random), 0, maybe(random).map(|_| 0)).into(),
        false => {
            let found = (0..2).filter(|_| random.percent(50)).map(|key| (key, 0)).collect();
            OrderedMapEvent::Range(0..=1, found)
        }
    });
    agrees(&Channel::bounded(1), 6, |random| match random.below(4) {
        0 => ChannelEvent::Send(value(random), SendOutcome::Full),
        1 | 2 => ChannelEvent::Send(value(random), SendOutcome::Sent),
        _ => ChannelEvent::Receive(ReceiveOutcome::Received(value(random))),
    });
}

/// Three threads on a locked queue: real intervals, long, and right; then one answer is falsified.
#[test]
fn a_long_recorded_history_is_accepted_and_its_falsification_refused() {
    let (queue, recorder) = (Mutex::new(VecDeque::new()), Recorder::new());
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (mut log, queue) = (recorder.log(), &queue);
            scope.spawn(move || {
                for i in 0..1_000 {
                    let value = thread * 1_000 + i;
                    log.call(|| {
                        queue.lock().unwrap().push_back(value);
                        PoolEvent::Push(value)
                    });
                    log.call(|| PoolEvent::Pop(queue.lock().unwrap().pop_front()));
                }
            });
        }
    });
    let history = recorder.history();
    assert_linearizable(&Queue::default(), history.clone());
    let mut calls: Vec<_> = history
        .calls()
        .iter()
        .map(|call| (call.thread, call.began, call.returned, call.event.clone()))
        .collect();
    calls.sort_by_key(|call| call.2);
    let popped = calls.iter().rposition(|call| matches!(call.3, PoolEvent::Pop(Some(_)))).unwrap();
    calls[popped].3 = PoolEvent::Pop(Some(-1));
    let at = calls[popped].2;
    refused(&Queue::default(), calls, at);
}

/// A map that forgets a write now and then is found out by its recorded history.
#[test]
fn a_broken_map_is_found_out() {
    let (map, recorder) = (Mutex::new(BTreeMap::new()), Recorder::new());
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (mut log, map) = (recorder.log(), &map);
            scope.spawn(move || {
                for i in 0..200 {
                    let (key, value) = (i % 4, thread * 1_000 + i);
                    let put = || {
                        let mut map = map.lock().unwrap();
                        let old = map.get(&key).copied();
                        if i != 99 {
                            map.insert(key, value);
                        }
                        MapEvent::Insert(key, value, old)
                    };
                    log.call(put);
                    log.call(|| MapEvent::Get(key, map.lock().unwrap().get(&key).copied()));
                }
            });
        }
    });
    let failure = check(&Map::default(), &recorder.history()).expect_err("a write was forgotten");
    let report = failure.to_string();
    assert!(report.contains("not linearizable") && report.contains("may have been"), "{report}");
}

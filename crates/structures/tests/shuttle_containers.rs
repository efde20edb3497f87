//! Whole structures under random and PCT schedules, every execution's history checked: three threads, six calls each.
//!
//! `RUSTFLAGS="--cfg stillpoint_shuttle" cargo test -p stillpoint-structures --test shuttle_containers --target-dir target/shuttle`
#![cfg(stillpoint_shuttle)]

mod counting;

use counting::{Counting, leased};
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_structures::{ArrayQueue, List, OrderedMap, Queue, SegmentQueue, Slot, Stack};
use stillpoint_testkit::linearizability::{
    Channel, ChannelEvent, MapEvent, OrderedMapEvent, PoolEvent, ReceiveOutcome, Register,
    RegisterEvent, SendOutcome, Set, SetEvent, Specification,
};
use stillpoint_testkit::{Counted, Play, Random, linearizability};

/// Values of one execution must differ: the random number says where one comes from.
fn push_or_pop<C>(
    push: fn(&C, Counted<u64>),
    pop: fn(&C) -> Option<Counted<u64>>,
) -> impl Fn(&Counting<C>, &mut Random, &mut linearizability::Log<PoolEvent<u64>>) {
    move |container, random, log| {
        if random.percent(55) {
            let value = random.next_u64();
            let counted = container.counter.make(value);
            log.call_then(|| push(container, counted), |()| PoolEvent::Push(value));
        } else {
            log.call(|| PoolEvent::Pop(pop(container).map(|value| *value)));
        }
    }
}

macro_rules! container {
    ($test:ident, $name:ident, $scheme:expr, $specification:expr) => {
        #[test]
        fn $test() {
            play($specification, || $name::with_scheme($scheme), $name::push, $name::pop);
        }
    };
}

fn play<C: Send + Sync + 'static>(
    specification: impl Specification<Event = PoolEvent<u64>> + Send + Sync + 'static,
    make: impl Fn() -> C + Send + Sync + 'static,
    push: fn(&C, Counted<u64>),
    pop: fn(&C) -> Option<Counted<u64>>,
) {
    let make = move || Counting::new(make());
    Play::default().check(specification, make, push_or_pop(push, pop));
}

container!(stack_leased, Stack, leased(), linearizability::Stack::default());
container!(stack_by_epochs, Stack, Ebr::new(), linearizability::Stack::default());
container!(queue_leased, Queue, leased(), linearizability::Queue::default());
container!(queue_by_epochs, Queue, Ebr::new(), linearizability::Queue::default());
container!(segment_queue_leased, SegmentQueue, leased(), linearizability::Queue::default());

#[test]
fn array_queue() {
    let make = || ArrayQueue::new(2);
    Play::default().check(
        Channel::bounded(2).refuses_at_will(),
        make,
        |queue: &ArrayQueue<u64>, random, log| {
            let value = random.next_u64();
            if random.percent(55) {
                let sent = |sent: &Result<(), u64>| match sent {
                    Ok(()) => SendOutcome::Sent,
                    Err(_) => SendOutcome::Full,
                };
                let event = |result: &Result<(), u64>| ChannelEvent::Send(value, sent(result));
                let _ = log.call_then(|| queue.push(value), event);
            } else {
                let received = |value: &Option<u64>| {
                    ChannelEvent::Receive(
                        value.map_or(ReceiveOutcome::Empty, ReceiveOutcome::Received),
                    )
                };
                log.call_then(|| queue.pop(), received);
            }
        },
    );
}

#[test]
fn slot() {
    let make = || Slot::with_scheme(0u64, leased());
    Play::default().check(Register { initial: 0 }, make, |slot, random, log| {
        let value = random.next_u64();
        match random.below(3) {
            0 => log.call(|| RegisterEvent::Read(slot.get_cloned())),
            1 => log.call(|| {
                slot.store(value);
                RegisterEvent::Write(value)
            }),
            _ => log.call(|| RegisterEvent::Swap(value, slot.swap_with(value, |old| *old))),
        };
    });
}

/// As a set: its insert and remove say whether, not what.
#[test]
fn list() {
    let make = || List::with_scheme(leased());
    Play::default().check(Set::default(), make, |list: &List<u64, u64>, random, log| {
        let key = random.below(2);
        match random.below(3) {
            0 => log.call(|| SetEvent::Contains(key, list.contains_key(&key))),
            1 => log.call(|| SetEvent::Insert(key, list.insert(key, key).is_ok())),
            _ => log.call(|| SetEvent::Remove(key, list.remove(&key))),
        };
    });
}

/// With nodes of three: a few keys split leaves, and removals take them out again. Ranges of one key are looked at from either end.
#[test]
fn ordered_map() {
    let make = || OrderedMap::<u64, u64>::with_scheme(leased()).with_fanout(3);
    let specification = linearizability::OrderedMap::default();
    Play::default().check(specification, make, |map: &OrderedMap<u64, u64>, random, log| {
        let (key, new) = (random.below(8), random.next_u64());
        let map = map.pin();
        let owned = |entry: Option<(&u64, &u64)>| entry.map(|(key, value)| (*key, *value));
        match random.below(8) {
            0..3 => log.call(|| MapEvent::Insert(key, new, map.insert(key, new).copied()).into()),
            3 | 4 => log.call(|| MapEvent::Remove(key, map.remove(&key).copied()).into()),
            5 => log.call(|| MapEvent::Get(key, map.get(&key).copied()).into()),
            6 => log.call(|| {
                let values = map.range(key..=key).next();
                OrderedMapEvent::At(MapEvent::Get(key, owned(values).map(|(_, value)| value)))
            }),
            _ => log.call(|| {
                let values = map.range(key..=key).next_back();
                OrderedMapEvent::At(MapEvent::Get(key, owned(values).map(|(_, value)| value)))
            }),
        };
    });
}

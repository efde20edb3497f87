//! The bounded queue: against `std`, under stress with counted values, and as recorded histories.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::collections::VecDeque;
use stillpoint_structures::ArrayQueue;
use stillpoint_testkit::linearizability::{
    Channel, ChannelEvent, ReceiveOutcome, Recorder, SendOutcome, assert_linearizable,
};
use stillpoint_testkit::{DropCounter, Random};

#[test]
fn agrees_with_std_at_every_capacity() {
    for capacity in 1..10 {
        let (counter, mut random) = (DropCounter::new(), Random::new(capacity as u64));
        let (queue, mut model) = (ArrayQueue::new(capacity), VecDeque::new());
        for i in 0..2_000 {
            if random.below(2) == 0 {
                let fits = model.len() < capacity;
                assert_eq!(queue.push(counter.make(i)).is_ok(), fits);
                model.extend(fits.then_some(i));
            } else {
                assert_eq!(queue.pop().map(|value| *value), model.pop_front());
            }
            assert_eq!((queue.len(), queue.capacity()), (model.len(), capacity));
            assert_eq!(
                (queue.is_empty(), queue.is_full()),
                (model.is_empty(), model.len() == capacity)
            );
        }
        drop(queue);
        counter.assert_none_left();
    }
}

#[test]
fn every_value_comes_out_once_and_in_order() {
    const EACH: u64 = 20_000;
    let counter = DropCounter::new();
    let queue = ArrayQueue::new(7);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (queue, counter) = (&queue, &counter);
            scope.spawn(move || {
                for i in 0..EACH {
                    let mut value = counter.make((thread, i));
                    while let Err(refused) = queue.push(value) {
                        value = refused;
                        std::thread::yield_now();
                    }
                }
            });
        }
        let mut next = [0, 0];
        for _ in 0..2 * EACH {
            let (thread, i) = loop {
                match queue.pop() {
                    Some(value) => break *value,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!(next[thread], i);
            next[thread] += 1;
        }
    });
    counter.assert_balanced(2 * EACH);
}

#[test]
fn histories_are_linearizable() {
    for round in 0..40 {
        let capacity = 1 + (round % 3) as usize;
        let (queue, recorder) = (ArrayQueue::new(capacity), Recorder::new());
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (mut log, queue) = (recorder.log(), &queue);
                scope.spawn(move || {
                    let mut random = Random::new(round * 8 + thread);
                    for i in 0..60 {
                        let value = thread * 1000 + i;
                        log.call(|| match random.below(2) {
                            0 if queue.push(value).is_ok() => {
                                ChannelEvent::Send(value, SendOutcome::Sent)
                            }
                            0 => ChannelEvent::Send(value, SendOutcome::Full),
                            _ => ChannelEvent::Receive(
                                queue.pop().map_or(ReceiveOutcome::Empty, ReceiveOutcome::Received),
                            ),
                        });
                    }
                });
            }
        });
        assert_linearizable(&Channel::bounded(capacity), recorder);
    }
}

#[test]
#[should_panic(expected = "a queue of 0 values")]
fn a_queue_without_room_is_refused() {
    ArrayQueue::<()>::new(0);
}

//! Channels under random and PCT schedules: histories of `try_send` and `try_recv`, and plays in which everybody waits, where a lost wake-up is
//! a deadlock; and plays with a step left out, which must fail.
//!
//! | left out | found as |
//! |---|---|
//! | the look between announcing oneself and sleeping | a deadlock |
//! | the closing of a cell that a pop found empty (unbounded) | values that are lost |
//!
//! `RUSTFLAGS="--cfg stillpoint_shuttle" cargo test -p stillpoint-structures --test shuttle_channel --target-dir target/shuttle`
#![cfg(stillpoint_shuttle)]

mod counting;
mod must_fail;

use counting::leased;
use must_fail::must_fail;
use shuttle::thread;
use stillpoint_reclaim::Heap;
use stillpoint_structures::channel::{self, Receiver, RecvError, Select, Sender, TryRecvError};
use stillpoint_structures::channel::{TrySendError, weakened};
use stillpoint_structures::{SegmentQueue, Weakened};
use stillpoint_testkit::linearizability::{
    Channel, ChannelEvent, PoolEvent, Queue, ReceiveOutcome, SendOutcome,
};
use stillpoint_testkit::{DropCounter, Play};

fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    channel::unbounded_with(leased(), Heap)
}

fn histories(specification: Channel<u64>, make: fn() -> (Sender<u64>, Receiver<u64>)) {
    Play::default().check(specification, make, |(sender, receiver), random, log| {
        let value = random.next_u64();
        if random.percent(55) {
            log.call(|| {
                ChannelEvent::Send(
                    value,
                    match sender.try_send(value) {
                        Ok(()) => SendOutcome::Sent,
                        Err(TrySendError::Full(_)) => SendOutcome::Full,
                        Err(error) => panic!("{error}"),
                    },
                )
            });
        } else {
            log.call(|| {
                ChannelEvent::Receive(match receiver.try_recv() {
                    Ok(value) => ReceiveOutcome::Received(value),
                    Err(TryRecvError::Empty) => ReceiveOutcome::Empty,
                    Err(error) => panic!("{error}"),
                })
            });
        }
    });
}

#[test]
fn bounded_histories() {
    histories(Channel::bounded(2).refuses_at_will(), || channel::bounded(2));
}

#[test]
fn unbounded_histories() {
    histories(Channel::unbounded(), unbounded);
}

/// Half of the executions by random schedules, half by PCT's.
fn check(play: fn()) {
    shuttle::check_random(play, 150);
    shuttle::check_pct(play, 150, 3);
}

/// What a receiver does until the channel ends.
type Receive = fn(&Receiver<u64>) -> Result<u64, RecvError>;

fn by_recv(receiver: &Receiver<u64>) -> Result<u64, RecvError> {
    receiver.recv()
}

/// Waits in the line of another channel as well.
fn by_select(receiver: &Receiver<u64>) -> Result<u64, RecvError> {
    let (_keep, never) = channel::bounded::<u64>(1);
    Select::new().recv(receiver, |value| value).recv(&never, |_| unreachable!()).wait()
}

fn by_future(receiver: &Receiver<u64>) -> Result<u64, RecvError> {
    shuttle::future::block_on(receiver.recv_async())
}

/// Two senders of three values each, two receivers until the end: every value arrives once, and nobody sleeps for ever.
fn everything_arrives((sender, receiver): (Sender<u64>, Receiver<u64>), receive: [Receive; 2]) {
    let senders = [10, 20].map(|from| {
        let sender = sender.clone();
        thread::spawn(move || (from..from + 3).for_each(|value| sender.send(value).unwrap()))
    });
    drop(sender);
    let receivers = receive.map(|receive| {
        let receiver = receiver.clone();
        thread::spawn(move || std::iter::from_fn(|| receive(&receiver).ok()).collect::<Vec<_>>())
    });
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    let mut all: Vec<_> = receivers.into_iter().flat_map(|seen| seen.join().unwrap()).collect();
    all.sort_unstable();
    assert_eq!(all, [10, 11, 12, 20, 21, 22]);
}

#[test]
fn nobody_sleeps_for_ever_on_a_bounded_channel() {
    check(|| everything_arrives(channel::bounded(1), [by_recv, by_recv]));
}

#[test]
fn nobody_sleeps_for_ever_on_an_unbounded_channel() {
    check(|| everything_arrives(unbounded(), [by_recv, by_recv]));
}

#[test]
fn nobody_sleeps_for_ever_beside_a_select() {
    check(|| everything_arrives(channel::bounded(1), [by_select, by_recv]));
}

#[test]
fn nobody_sleeps_for_ever_beside_a_task() {
    check(|| everything_arrives(unbounded(), [by_future, by_select]));
}

/// The receivers go while senders wait for room: all senders end, and all values are dropped.
#[test]
fn senders_end_when_the_receivers_do() {
    check(|| {
        let counter = DropCounter::new();
        let (sender, receiver) = channel::bounded(1);
        let senders = [(); 2].map(|()| {
            let (sender, counter) = (sender.clone(), counter.clone());
            thread::spawn(move || while sender.send(counter.make(())).is_ok() {})
        });
        assert!(receiver.recv().is_ok());
        drop(receiver);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        counter.assert_none_left();
    });
}

#[test]
fn who_sleeps_without_looking_is_caught() {
    must_fail("who_sleeps_without_looking_is_caught", &["deadlock"], || {
        check(|| {
            let channel = weakened(1, Weakened::SleepWithoutLooking);
            everything_arrives(channel, [by_recv, by_recv]);
        });
    });
}

#[test]
fn a_cell_left_open_is_caught() {
    must_fail("a_cell_left_open_is_caught", &["not linearizable"], || {
        let make = || SegmentQueue::with_scheme(leased()).weakened(Weakened::CellLeftOpen);
        let queue = Queue::default();
        Play::default().check(queue, make, |queue: &SegmentQueue<u64>, random, log| {
            let value = random.next_u64();
            if random.percent(55) {
                log.call_then(|| queue.push(value), |()| PoolEvent::Push(value));
            } else {
                log.call(|| PoolEvent::Pop(queue.pop()));
            }
        });
    });
}

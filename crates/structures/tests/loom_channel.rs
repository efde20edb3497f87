//! Sleeping and waking in channels, under all interleavings: whoever waits is woken, or the model ends in a deadlock.
//!
//! | left out | refused by |
//! |---|---|
//! | the look between announcing oneself and sleeping | `who_sleeps_without_looking_sleeps_for_ever` |
#![cfg(stillpoint_loom)]

mod model_check;

use loom::thread;
use model_check::{check, must_fail, quiet};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use stillpoint_reclaim::Heap;
use stillpoint_reclaim::leak::Leak;
use stillpoint_structures::Weakened;
use stillpoint_structures::channel::{self, Receiver, RecvError, Select, Sender};

fn one_value((sender, receiver): (Sender<u32>, Receiver<u32>)) {
    let waits = thread::spawn(move || receiver.recv());
    sender.send(7).unwrap();
    assert_eq!(waits.join().unwrap(), Ok(7));
}

#[test]
fn a_receiver_is_woken_by_a_value() {
    check(2, || one_value(quiet(|| channel::bounded(1))));
}

#[test]
fn who_sleeps_without_looking_sleeps_for_ever() {
    must_fail("who_sleeps_without_looking_sleeps_for_ever", 2, "deadlock", || {
        one_value(quiet(|| channel::weakened(1, Weakened::SleepWithoutLooking)));
    });
}

#[test]
fn a_receiver_of_an_unbounded_channel_is_woken_by_a_value() {
    check(2, || {
        let (sender, receiver) = quiet(|| channel::unbounded_with(Leak::new(), Heap));
        let waits = thread::spawn(move || receiver.recv());
        sender.send(7).unwrap();
        assert_eq!(waits.join().unwrap(), Ok(7));
    });
}

#[test]
fn a_sender_is_woken_by_room() {
    check(2, || {
        let (sender, receiver) = quiet(|| channel::bounded(1));
        let waits = thread::spawn(move || (1..=2).for_each(|value| sender.send(value).unwrap()));
        assert_eq!((receiver.recv(), receiver.recv()), (Ok(1), Ok(2)));
        waits.join().unwrap();
    });
}

#[test]
fn both_sides_are_woken_by_the_end_of_the_other() {
    check(2, || {
        let (sender, receiver) = quiet(|| channel::bounded::<u32>(1));
        let waits = thread::spawn(move || receiver.recv());
        drop(sender);
        assert_eq!(waits.join().unwrap(), Err(RecvError));
    });
    check(2, || {
        let (sender, receiver) = quiet(|| {
            let (sender, receiver) = channel::bounded(1);
            sender.send(1).unwrap();
            (sender, receiver)
        });
        let waits = thread::spawn(move || sender.send(2));
        drop(receiver);
        // It may just have found room, made by the end; what counts is that it does not sleep.
        let _ended = waits.join().unwrap();
    });
}

/// The wake-up of a task that is cancelled goes to the thread.
#[test]
fn a_cancelled_receive_passes_its_wake_up_on() {
    check(2, || {
        let (sender, receiver) = quiet(|| channel::bounded(1));
        let other = receiver.clone();
        let waits = thread::spawn(move || other.recv());
        let sends = thread::spawn(move || sender.send(7).unwrap());
        let taken = {
            let future = pin!(receiver.recv_async());
            matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_)))
        };
        sends.join().unwrap();
        assert_eq!(waits.join().unwrap().is_ok(), !taken, "the value went nowhere, or twice");
    });
}

#[test]
fn a_select_is_woken_by_either_channel() {
    check(2, || {
        let ((a, from_a), (b, from_b)) =
            quiet(|| (channel::bounded::<u32>(1), channel::bounded::<u32>(1)));
        let waits = thread::spawn(move || {
            Select::new().recv(&from_a, |value| value).recv(&from_b, |value| value).wait()
        });
        b.send(7).unwrap();
        assert_eq!(waits.join().unwrap(), Ok(7));
        drop(a);
    });
}

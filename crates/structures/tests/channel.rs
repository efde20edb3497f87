//! Channels: what ends see of each other, waiting as a thread and as a task, selection, cancellation, stress, recorded histories.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use stillpoint_reclaim::{Collector, Heap};
use stillpoint_structures::channel::{
    self, Receiver, RecvError, RecvTimeoutError, Select, SendError, SendTimeoutError, Sender,
    TryRecvError, TrySendError,
};
use stillpoint_testkit::linearizability::{
    Channel, ChannelEvent, ReceiveOutcome, Recorder, SendOutcome, assert_linearizable,
};
use stillpoint_testkit::{Counted, DropCounter, Random};

const SOON: Duration = Duration::from_millis(20);
/// Nothing here takes so long, unless a wake-up is lost.
const NEVER: Duration = Duration::from_secs(20);

/// Counts its calls.
#[derive(Default)]
struct CountingWaker(AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counting() -> (Arc<CountingWaker>, Waker) {
    let counter = Arc::new(CountingWaker::default());
    (counter.clone(), Waker::from(counter))
}

/// Wakes a thread.
struct ThreadWaker(std::thread::Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(ThreadWaker(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn both<T>() -> [(Sender<T>, Receiver<T>); 2] {
    [channel::bounded(8), channel::unbounded()]
}

#[test]
fn what_is_in_is_received_after_the_senders_are_gone() {
    for (sender, receiver) in both() {
        let other = sender.clone();
        sender.send(1).unwrap();
        drop(sender);
        other.send(2).unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
        assert!(!receiver.is_disconnected());
        drop(other);
        assert!(receiver.is_disconnected());
        assert_eq!(receiver.recv(), Ok(2));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!(receiver.recv(), Err(RecvError));
        assert_eq!(receiver.recv_timeout(NEVER), Err(RecvTimeoutError::Disconnected));
    }
}

#[test]
fn without_receivers_sending_gives_the_value_back_and_the_rest_is_dropped() {
    for (sender, receiver) in both() {
        let counter = DropCounter::new();
        let other = receiver.clone();
        sender.send(counter.make(1)).unwrap();
        drop(receiver);
        sender.send(counter.make(2)).unwrap();
        assert_eq!(counter.live(), 2);
        drop(other);
        assert_eq!(counter.live(), 0);
        assert_eq!(*sender.send(counter.make(3)).unwrap_err().into_inner(), 3);
        assert!(matches!(sender.try_send(counter.make(4)), Err(TrySendError::Disconnected(_))));
        counter.assert_balanced(4);
    }
}

#[test]
fn a_full_channel_refuses_or_waits() {
    let (sender, receiver) = channel::bounded(2);
    assert_eq!((sender.capacity(), receiver.is_empty()), (Some(2), true));
    sender.send(1).unwrap();
    sender.try_send(2).unwrap();
    assert!(sender.is_full());
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!(sender.send_timeout(3, SOON), Err(SendTimeoutError::Timeout(3)));
    assert_eq!(sender.send_deadline(3, Instant::now() + SOON), Err(SendTimeoutError::Timeout(3)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(SOON);
            assert_eq!(receiver.recv(), Ok(1));
        });
        assert_eq!(sender.send_timeout(3, NEVER), Ok(()));
    });
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn an_empty_channel_waits_until_the_timeout_or_the_value() {
    for (sender, receiver) in both() {
        let begin = Instant::now();
        assert_eq!(receiver.recv_timeout(SOON), Err(RecvTimeoutError::Timeout));
        assert!(begin.elapsed() >= SOON);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(SOON);
                sender.send(7).unwrap();
            });
            assert_eq!(receiver.recv_timeout(NEVER), Ok(7));
        });
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
        let deadline = Instant::now() + SOON;
        assert_eq!(receiver.recv_deadline(deadline), Err(RecvTimeoutError::Timeout));
        assert!(Instant::now() >= deadline);
        let select = Select::new().recv(&receiver, |value| value.is_ok());
        assert_eq!(select.wait_deadline(deadline), None);
        sender.send(8).unwrap();
        assert_eq!(receiver.recv_deadline(deadline), Ok(8));
    }
}

#[test]
fn sleepers_wake_when_the_other_side_goes() {
    let (sender, receiver) = channel::bounded::<u32>(1);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| receiver.recv());
        std::thread::sleep(SOON);
        drop(sender);
        assert_eq!(waits.join().unwrap(), Err(RecvError));
    });
    let (sender, receiver) = channel::bounded(1);
    sender.send(1).unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| sender.send(2));
        std::thread::sleep(SOON);
        drop(receiver);
        assert_eq!(waits.join().unwrap(), Err(SendError(2)));
    });
}

#[test]
#[should_panic(expected = "a rendezvous")]
fn a_rendezvous_is_refused() {
    channel::bounded::<()>(0);
}

#[test]
fn a_task_is_woken_by_a_value_and_by_the_end() {
    for (sender, receiver) in both() {
        let (wakes, waker) = counting();
        let mut context = Context::from_waker(&waker);
        let mut future = receiver.recv_async();
        assert!(pin!(&mut future).poll(&mut context).is_pending());
        sender.send(1).unwrap();
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        assert_eq!(pin!(&mut future).poll(&mut context), Poll::Ready(Ok(1)));
        let mut future = receiver.recv_async();
        assert!(pin!(&mut future).poll(&mut context).is_pending());
        drop(sender);
        assert_eq!(wakes.0.load(Ordering::SeqCst), 2);
        assert_eq!(pin!(&mut future).poll(&mut context), Poll::Ready(Err(RecvError)));
    }
}

#[test]
fn a_task_waits_for_room_and_a_cancelled_send_drops_its_value() {
    let counter = DropCounter::new();
    let (sender, receiver) = channel::bounded(1);
    block_on(sender.send_async(counter.make(1))).unwrap();
    let (wakes, waker) = counting();
    let mut context = Context::from_waker(&waker);
    let mut cancelled = sender.send_async(counter.make(2));
    let mut waits = sender.send_async(counter.make(3));
    assert!(pin!(&mut cancelled).poll(&mut context).is_pending());
    assert!(pin!(&mut waits).poll(&mut context).is_pending());
    assert_eq!(*receiver.recv().unwrap(), 1);
    drop(cancelled);
    // The room was offered to the one that was cancelled, who passed it on.
    assert_eq!(wakes.0.load(Ordering::SeqCst), 2);
    assert!(matches!(pin!(&mut waits).poll(&mut context), Poll::Ready(Ok(()))));
    assert_eq!(*block_on(receiver.recv_async()).unwrap(), 3);
    counter.assert_balanced(3);
}

#[test]
fn the_waker_of_the_last_poll_is_called() {
    let (sender, receiver) = channel::unbounded();
    let ((first, first_waker), (second, second_waker)) = (counting(), counting());
    let mut future = receiver.recv_async();
    assert!(pin!(&mut future).poll(&mut Context::from_waker(&first_waker)).is_pending());
    assert!(pin!(&mut future).poll(&mut Context::from_waker(&second_waker)).is_pending());
    sender.send(1).unwrap();
    assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (0, 1));
    assert_eq!(block_on(future), Ok(1));
}

#[test]
fn a_select_takes_what_is_ready_and_leaves_the_other_lines() {
    let ((a_in, a), (b_in, b)) = (channel::bounded::<u32>(1), channel::unbounded::<&str>());
    let select = || {
        Select::new()
            .recv(&a, |number| number.unwrap().to_string())
            .recv(&b, |word| word.unwrap().to_owned())
    };
    assert_eq!(select().try_now(), None);
    assert_eq!(select().wait_timeout(SOON), None);
    b_in.send("b").unwrap();
    assert_eq!(select().wait(), "b");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(SOON);
            a_in.send(1).unwrap();
        });
        assert_eq!(select().wait_timeout(NEVER).as_deref(), Some("1"));
        scope.spawn(|| {
            std::thread::sleep(SOON);
            b_in.send("later").unwrap();
        });
        assert_eq!(block_on(select().wait_async()), "later");
    });
    a_in.send(2).unwrap();
    let sent = Select::new().send(&a_in, 3, |sent| sent.is_ok()).wait_timeout(SOON);
    assert_eq!(sent, None);
    assert_eq!(a.recv(), Ok(2));
    assert!(Select::new().send(&a_in, 3, |sent| sent.is_ok()).wait());
    drop(b_in);
    assert!(Select::new().recv(&b, |word| word.is_err()).wait());
}

#[test]
fn a_select_that_is_dropped_passes_its_wake_up_on() {
    let (sender, receiver) = channel::unbounded();
    let (wakes, waker) = counting();
    let mut context = Context::from_waker(&waker);
    let mut dropped = Select::new().recv(&receiver, |value| value.unwrap()).wait_async();
    let mut waits = receiver.recv_async();
    assert!(pin!(&mut dropped).poll(&mut context).is_pending());
    assert!(pin!(&mut waits).poll(&mut context).is_pending());
    sender.send(5).unwrap();
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    drop(dropped);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 2);
    assert_eq!(pin!(&mut waits).poll(&mut context), Poll::Ready(Ok(5)));
}

/// One whose call fails.
struct BadWaker;

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        panic!("a waker's own fault");
    }
}

#[test]
fn a_waker_that_panics_takes_no_wake_up_and_no_value_with_it() {
    let bad = Waker::from(Arc::new(BadWaker));
    let mut bad = Context::from_waker(&bad);
    for (sender, receiver) in both::<u32>() {
        let (wakes, waker) = counting();
        let (mut first, mut second) = (receiver.recv_async(), receiver.recv_async());
        assert!(pin!(&mut first).poll(&mut bad).is_pending());
        assert!(pin!(&mut second).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(sender);
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1, "who came later hears of the end");
        assert_eq!(block_on(first), Err(RecvError));
    }
    let (sender, receiver) = channel::bounded(1);
    sender.send(1).unwrap();
    let mut waits = sender.send_async(2);
    assert!(pin!(&mut waits).poll(&mut bad).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(block_on(waits), Ok(()));
    let mut waits = sender.send_async(3);
    assert!(pin!(&mut waits).poll(&mut bad).is_pending());
    drop(waits);
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
fn a_select_that_is_polled_after_its_end_receives_nothing() {
    let (sender, receiver) = channel::bounded(2);
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    let mut select = Select::new().recv(&receiver, |value| value.unwrap()).wait_async();
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(pin!(&mut select).poll(&mut context), Poll::Ready(1));
    let again = AssertUnwindSafe(|| pin!(&mut select).poll(&mut context));
    assert!(catch_unwind(again).is_err());
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
fn no_ready_channel_starves() {
    let ((a_in, a), (b_in, b)) = (channel::bounded(1000), channel::bounded(1000));
    for i in 0..1000 {
        a_in.send(i).unwrap();
        b_in.send(i).unwrap();
    }
    let picked = |_| Select::new().recv(&a, |_| 0).recv(&b, |_| 1).wait();
    let of_b: u32 = (0..1000).map(picked).sum();
    assert!((200..800).contains(&of_b), "{of_b} of 1000 from the second");
}

/// How a thread of the stress test sends or receives its `i`th value.
fn send(sender: &Sender<Counted<u64>>, value: Counted<u64>, i: u64) {
    match i % 4 {
        0 => block_on(sender.send_async(value)).unwrap(),
        1 => assert!(Select::new().send(sender, value, |sent| sent.is_ok()).wait()),
        2 => sender.send_timeout(value, NEVER).unwrap(),
        _ => sender.send(value).unwrap(),
    }
}

fn receive(receiver: &Receiver<Counted<u64>>, i: u64) -> Option<u64> {
    let value = match i % 5 {
        0 => block_on(receiver.recv_async()).ok(),
        1 => Select::new().recv(receiver, |value| value.ok()).wait(),
        2 => block_on(Select::new().recv(receiver, |value| value.ok()).wait_async()),
        3 => match receiver.recv_timeout(Duration::from_micros(i % 50)) {
            Err(RecvTimeoutError::Timeout) => receiver.recv().ok(),
            other => other.ok(),
        },
        _ => receiver.recv().ok(),
    };
    value.map(|value| *value)
}

fn stress((sender, receiver): (Sender<Counted<u64>>, Receiver<Counted<u64>>)) {
    const SENDERS: u64 = 3;
    const EACH: u64 = 3_000;
    let (counter, sum) = (DropCounter::new(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            let (sender, counter) = (sender.clone(), &counter);
            scope.spawn(move || (1..=EACH).for_each(|i| send(&sender, counter.make(i), i)));
        }
        for thread in 0..3 {
            let (receiver, sum) = (receiver.clone(), &sum);
            scope.spawn(move || {
                let mut i = thread;
                while let Some(value) = receive(&receiver, i) {
                    sum.fetch_add(value, Ordering::SeqCst);
                    i += 1;
                }
            });
        }
        drop((sender, receiver));
    });
    assert_eq!(sum.load(Ordering::SeqCst), SENDERS * EACH * (EACH + 1) / 2);
    counter.assert_balanced(SENDERS * EACH);
}

#[test]
fn every_value_arrives_through_one_cell() {
    stress(channel::bounded(1));
}

#[test]
fn every_value_arrives_through_a_few_cells() {
    stress(channel::bounded(5));
}

#[test]
fn every_value_arrives_through_an_unbounded_channel() {
    stress(channel::unbounded());
    let hasty = Collector::builder().lease_ticks(0).batch_len(1).build();
    stress(channel::unbounded_with(hasty, Heap));
}

#[test]
fn values_may_borrow() {
    let word = String::from("borrowed");
    for (sender, receiver) in both() {
        sender.send(word.as_str()).unwrap();
        sender.send(&word[..3]).unwrap();
        assert_eq!(receiver.into_iter().next(), Some("borrowed"));
    }
}

/// The last receiver goes while senders send: nothing is lost or dropped twice, and nothing stays behind.
#[test]
fn nothing_stays_when_the_receivers_go_under_fire() {
    for round in 0..200 {
        let counter = DropCounter::new();
        let (sender, receiver) =
            if round % 2 == 0 { channel::bounded(2) } else { channel::unbounded() };
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| while sender.send(counter.make(())).is_ok() {});
            }
            for _ in 0..round % 5 {
                let _value = receiver.recv();
            }
            drop(receiver);
        });
        assert_eq!(counter.live(), 0, "values left in a channel that nobody can receive from");
    }
}

/// Few values at a time: two sends at once that nobody receives double the states of the check.
fn histories(specification: Channel<u64>, make: impl Fn() -> (Sender<u64>, Receiver<u64>)) {
    for round in 0..40 {
        let ((sender, receiver), recorder) = (make(), Recorder::new());
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (mut log, sender, receiver) = (recorder.log(), &sender, &receiver);
                let mut random = Random::new(round * 8 + thread);
                scope.spawn(move || {
                    for i in 0..40 {
                        let value = thread * 1000 + i;
                        match random.below(5) {
                            0 | 1 => log.call(|| sent(value, sender.try_send(value))),
                            2 => log.call(|| {
                                received(receiver.recv_timeout(Duration::from_micros(5)).ok())
                            }),
                            _ => log.call(|| received(receiver.try_recv().ok())),
                        };
                    }
                });
            }
        });
        assert_linearizable(&specification, recorder);
    }
}

fn sent(value: u64, outcome: Result<(), TrySendError<u64>>) -> ChannelEvent<u64> {
    ChannelEvent::Send(value, if outcome.is_ok() { SendOutcome::Sent } else { SendOutcome::Full })
}

fn received(value: Option<u64>) -> ChannelEvent<u64> {
    ChannelEvent::Receive(value.map_or(ReceiveOutcome::Empty, ReceiveOutcome::Received))
}

#[test]
fn histories_are_linearizable() {
    histories(Channel::bounded(1), || channel::bounded(1));
    histories(Channel::bounded(3), || channel::bounded(3));
    histories(Channel::unbounded(), channel::unbounded);
}

//! [`Background`]: a thread that reclaims beside the application's.
//!
//! ```text
//! retiring threads ──bags──▶ backlog ◀──takes── background thread: every `interval`, up to `budget` nodes
//!                                    ◀─ left by threads that exited, handed over, or held back by readers until now
//! ```
//! It takes from the backlog only: a live thread's own bags are its own (see `local`), until it fills them, hands them over
//! ([`Collector::hand_over`]) or exits.
//!
//! 1. The thread holds a handle of the collector: the collector lives at least as long as the [`Background`].
//! 2. `Signal` is the thread's only tie to the outside; its lock is held for no longer than it takes to set a flag.

use crate::leased::collector::{Collector, Inner};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;
use stillpoint_primitive::background::{Worker, pause};

/// Milliseconds to wait for a lock that is held for microseconds.
const ENLIST_TRIES: u32 = 100;

/// Settings of a [`Background`]: see [`Collector::background`].
#[derive(Debug)]
pub struct BackgroundBuilder {
    collector: Collector,
    interval: Duration,
    budget: usize,
}

/// What the thread is to do next.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Order {
    /// Sleep until the interval is over.
    #[default]
    Wait,
    /// Reclaim now, whatever the budget.
    Hurry,
    /// End.
    Stop,
}

/// How others reach the thread.
#[derive(Default)]
pub(crate) struct Signal {
    order: Mutex<Order>,
    given: Condvar,
}

impl Signal {
    fn lock(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn give(&self, order: Order) {
        let mut current = self.lock();
        if *current != Order::Stop {
            *current = order;
        }
        drop(current);
        self.given.notify_all();
    }

    /// Waits for an order, `interval` at the most; a hurry is thereby taken.
    fn wait(&self, interval: Duration) -> Order {
        let guard = self.lock();
        let (mut order, _) = self
            .given
            .wait_timeout_while(guard, interval, |order| *order == Order::Wait)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let taken = *order;
        if taken == Order::Hurry {
            *order = Order::Wait;
        }
        taken
    }
}

impl BackgroundBuilder {
    pub(crate) fn new(collector: Collector) -> Self {
        BackgroundBuilder { collector, interval: Duration::from_millis(10), budget: usize::MAX }
    }

    /// How long it sleeps between two rounds (default 10 ms).
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// The most nodes it reclaims a round (default: no limit), at least 1: spreads its work in time. Less than is retired in an interval
    /// lets memory grow until a [limit](crate::Limit) is crossed, which makes it reclaim what it can.
    pub fn budget(mut self, nodes: usize) -> Self {
        self.budget = nodes.max(1);
        self
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(self) -> io::Result<Background> {
        let signal = Arc::new(Signal::default());
        let name = match &self.collector.inner.name {
            Some(name) => format!("reclaim {name}"),
            None => "reclaim".to_owned(),
        };
        let orders = signal.clone();
        let inner = self.collector.inner.clone();
        let worker = Worker::spawn(&name, move || self.run(&orders))?;
        inner.enlist(&signal);
        Ok(Background { signal, worker: Some(worker), process: std::process::id() })
    }

    fn run(self, signal: &Signal) {
        loop {
            let budget = match signal.wait(self.interval) {
                Order::Stop => return,
                Order::Hurry => usize::MAX,
                Order::Wait => self.budget,
            };
            let inner = &self.collector.inner;
            inner.with_own_local(|local| inner.maintain(local, budget, budget, || true));
        }
    }
}

/// A thread that reclaims; it ends when this is dropped, and the drop waits for it.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use stillpoint_reclaim::Collector;
///
/// // Destructors run on the background thread only.
/// let collector = Collector::builder().reclaim_on_retire(false).build();
/// let background = collector.background().interval(Duration::from_millis(1)).start()?;
/// let guard = collector.pin();
/// guard.retire_fn(|| println!("dropped on {:?}", std::thread::current().name()));
/// drop(guard);
/// // This thread retires nothing more for a while.
/// collector.hand_over();
/// drop(background);
/// # std::io::Result::Ok(())
/// ```
#[must_use = "dropping it ends the thread"]
pub struct Background {
    signal: Arc<Signal>,
    worker: Option<Worker>,
    /// Where the thread is; a fork does not take it along.
    process: u32,
}

impl Background {
    /// Wakes the thread for a round without a budget; does not wait for it. Does nothing in the child of a fork, where there is no such thread.
    pub fn hurry(&self) {
        // There, a thread that is gone may have the signal's lock for ever.
        if self.is_here() {
            self.signal.give(Order::Hurry);
        }
    }

    fn is_here(&self) -> bool {
        std::process::id() == self.process
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if !self.is_here() {
            // Not even to be detached.
            std::mem::forget(self.worker.take());
            return;
        }
        self.signal.give(Order::Stop);
        if let Some(worker) = self.worker.take() {
            worker.join();
        }
    }
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

impl Inner {
    /// Makes the thread one that is woken at limits. It does without if the lock is not to be had: after a fork, for ever.
    fn enlist(&self, signal: &Arc<Signal>) {
        for _ in 0..ENLIST_TRIES {
            if let Ok(mut signals) = self.signals.try_lock() {
                signals.retain(|signal| signal.strong_count() > 0);
                signals.push(Arc::downgrade(signal));
                return;
            }
            pause(Duration::from_millis(1));
        }
    }

    /// Forgets the background threads: a fork has not taken them along.
    pub(crate) fn dismiss_all(&self) {
        if let Ok(mut signals) = self.signals.try_lock() {
            signals.clear();
        }
    }

    /// Wakes the background threads, if there are any.
    pub(crate) fn hurry(&self) {
        // Who holds it is about to wake them, or is a thread that a fork has not taken along.
        let Ok(signals) = self.signals.try_lock() else { return };
        for signal in signals.iter().filter_map(std::sync::Weak::upgrade) {
            signal.give(Order::Hurry);
        }
    }
}

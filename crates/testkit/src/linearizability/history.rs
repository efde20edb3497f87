//! [`Recorder`], its [`Log`]s, and the [`History`] they make.
//!
//! ```text
//! clock:    0 ──── 1 ─────────── 2 ──── 3            a call begins by reading the clock and returns by moving it on,
//! thread 0  [0 ─── 1)                                so `a` was over before `b` began exactly if a.returned <= b.began,
//! thread 1  [0 ───────────────── 2)                  and no two calls return at the same time
//! thread 2          [1 ───────────────── 3)
//! ```
//! One read-modify-write a call, after it: the beginning of a call orders nothing that the structure's author might have forgotten to order.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A call that has returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<E> {
    /// Which log it is in.
    pub thread: usize,
    /// The clock when it began.
    pub began: u64,
    /// The clock after it had returned; of no other call.
    pub returned: u64,
    /// What was called and what came out.
    pub event: E,
}

#[derive(Debug)]
struct Shared<E> {
    clock: AtomicU64,
    logs: AtomicU64,
    calls: Mutex<Vec<Call<E>>>,
}

/// Hands out logs and collects them.
#[derive(Debug)]
pub struct Recorder<E>(Arc<Shared<E>>);

impl<E> Default for Recorder<E> {
    fn default() -> Self {
        Recorder::new()
    }
}

impl<E> Recorder<E> {
    /// A recorder whose clock stands at 0.
    pub fn new() -> Self {
        let calls = Mutex::new(Vec::new());
        Recorder(Arc::new(Shared { clock: AtomicU64::new(0), logs: AtomicU64::new(0), calls }))
    }

    /// A log for one thread, delivered when it is dropped.
    pub fn log(&self) -> Log<E> {
        let thread = self.0.logs.fetch_add(1, Ordering::Relaxed) as usize;
        Log { thread, shared: self.0.clone(), calls: Vec::new() }
    }

    /// What has been delivered since the last time.
    pub fn history(&self) -> History<E> {
        let mut calls = self.0.calls.lock().unwrap_or_else(PoisonError::into_inner);
        History { calls: std::mem::take(&mut *calls) }
    }
}

/// What one thread called.
#[derive(Debug)]
pub struct Log<E> {
    thread: usize,
    shared: Arc<Shared<E>>,
    calls: Vec<Call<E>>,
}

impl<E> Log<E> {
    /// Runs `call`, which calls the structure once and says what it did, and records it.
    ///
    /// # Cost
    /// One load before, one `fetch_add` and a push after.
    #[inline]
    pub fn call(&mut self, call: impl FnOnce() -> E) -> &E {
        let began = self.shared.clock.load(Ordering::SeqCst);
        let event = call();
        self.record(began, event)
    }

    /// As [`call`](Log::call), for a result that is still needed, whole: `event` tells what to record of it.
    #[inline]
    pub fn call_then<R>(&mut self, call: impl FnOnce() -> R, event: impl FnOnce(&R) -> E) -> R {
        let began = self.shared.clock.load(Ordering::SeqCst);
        let result = call();
        let returned = self.shared.clock.fetch_add(1, Ordering::SeqCst) + 1;
        let event = event(&result);
        self.calls.push(Call { thread: self.thread, began, returned, event });
        result
    }

    fn record(&mut self, began: u64, event: E) -> &E {
        let returned = self.shared.clock.fetch_add(1, Ordering::SeqCst) + 1;
        self.calls.push(Call { thread: self.thread, began, returned, event });
        &self.calls.last().expect("pushed just now").event
    }
}

impl<E> Drop for Log<E> {
    fn drop(&mut self) {
        let mut all = self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner);
        all.append(&mut self.calls);
    }
}

/// Calls of several threads.
#[derive(Clone, Debug)]
pub struct History<E> {
    calls: Vec<Call<E>>,
}

impl<E> History<E> {
    /// A history written down: `(thread, began, returned, event)`.
    ///
    /// # Panics
    /// When a call returns before it began.
    pub fn of(calls: impl IntoIterator<Item = (usize, u64, u64, E)>) -> Self {
        let calls = calls.into_iter().map(|(thread, began, returned, event)| {
            assert!(began < returned, "a call that returns at {returned} cannot begin at {began}");
            Call { thread, began, returned, event }
        });
        History { calls: calls.collect() }
    }

    /// The calls, in no order.
    pub fn calls(&self) -> &[Call<E>] {
        &self.calls
    }
}

impl<E> From<Recorder<E>> for History<E> {
    fn from(recorder: Recorder<E>) -> Self {
        recorder.history()
    }
}

#[cfg(test)]
mod tests {
    use super::Recorder;

    #[test]
    fn calls_one_after_the_other_do_not_overlap_and_nested_ones_do() {
        let recorder = Recorder::new();
        let (mut a, mut b) = (recorder.log(), recorder.log());
        a.call(|| 'a');
        a.call(|| {
            assert_eq!(b.call_then(|| 7, |_| 'b'), 7);
            'c'
        });
        drop((a, b));
        let calls = recorder.history().calls().to_vec();
        let [a, c, b] = &calls[..] else { panic!("{calls:?}") };
        assert!(a.returned <= b.began && a.returned <= c.began);
        assert!(c.began < b.returned && b.began < c.returned);
        assert!(recorder.history().calls().is_empty());
    }
}

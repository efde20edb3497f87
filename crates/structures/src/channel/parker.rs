//! [`Parker`]: a thread that sleeps until its waker is called, so that threads and tasks wait in the same line.
//!
//! Tags: `[wake]` the swap that says "woken" and the swap that finds it.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};
use stillpoint_primitive::sync::atomic::{AtomicBool, Ordering};
use stillpoint_primitive::sync::thread;

pub(super) struct Parker(Arc<Sleeper>);

struct Sleeper {
    woken: AtomicBool,
    thread: thread::Thread,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release [wake]: what was done before is seen by the sleeper. (A swap: loom may place a plain store before a swap that is over.)
        self.woken.swap(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Parker {
    /// Of the calling thread.
    pub(super) fn new() -> Self {
        Parker(Arc::new(Sleeper { woken: AtomicBool::new(false), thread: thread::current() }))
    }

    pub(super) fn waker(&self) -> Waker {
        Waker::from(self.0.clone())
    }

    /// Sleeps until the waker has been called since the last time; `false` when the deadline comes first.
    pub(super) fn park(&self, deadline: Option<Instant>) -> bool {
        loop {
            // Acquire [wake]: see above.
            if self.0.woken.swap(false, Ordering::Acquire) {
                return true;
            }
            let Some(deadline) = deadline else {
                thread::park();
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            park_for(left);
        }
    }
}

#[cfg(not(stillpoint_loom))]
fn park_for(duration: Duration) {
    thread::park_timeout(duration);
}

/// A model has no clock.
#[cfg(stillpoint_loom)]
fn park_for(_: Duration) {
    thread::park();
}

//! [`Retired`]: a node that has been handed over, on its way to being reclaimed.

use crate::epoch::Epoch;
#[cfg(not(stillpoint_loom))]
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One retired node: where it is, how it is freed, when it was born.
#[derive(Clone, Copy)]
pub(crate) struct Retired {
    pub(crate) ptr: *mut u8,
    pub(crate) reclaim: unsafe fn(*mut u8),
    pub(crate) birth: Epoch,
    pub(crate) bytes: usize,
}

// SAFETY: whoever retires a node hands it over for good and promises that it may be reclaimed on any thread.
unsafe impl Send for Retired {}

impl Retired {
    /// Frees the node. A panic in a destructor is contained: the node counts as reclaimed, the others go on.
    ///
    /// # Safety
    /// Nobody can reach the node any more, and this is the only call for it.
    #[cfg(not(stillpoint_loom))]
    pub(crate) unsafe fn reclaim(self) {
        // SAFETY: the caller's promise, passed on to the reclaimer that came with the node.
        let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (self.reclaim)(self.ptr) }));
        if let Err(payload) = outcome {
            // The payload's own destructor could panic again.
            std::mem::forget(payload);
        }
    }

    /// As above, but what panics in a model is the model.
    ///
    /// # Safety
    /// As above.
    #[cfg(stillpoint_loom)]
    pub(crate) unsafe fn reclaim(self) {
        // SAFETY: the caller's promise.
        unsafe { (self.reclaim)(self.ptr) };
    }
}

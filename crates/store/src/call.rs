//! [`Call`]: a call for work that goes over everything, since what was to be done could not be noted one by one.
//!
//! Any number call, whoever takes the calls over does the work once for all of them.
//!
//! # Invariants
//! 1. Who takes calls over sees what each caller did before it called: also callers whose call found another one there, so a call is a swap. After a plain
//!    store only the last one's doings would be sure to be seen: the release of those before it ends there.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[call]` | Release swap when called, Acquire swap when taken; Relaxed where it is a hint |

use stillpoint_primitive::sync::atomic::{AtomicBool, Ordering};

#[derive(Default)]
pub(crate) struct Call(AtomicBool);

impl Call {
    pub(crate) fn call(&self) {
        // Release [call]: what the work must see is there before; a swap goes on with the release of the calls before it
        self.0.swap(true, Ordering::Release);
    }

    /// Whether somebody called; asking takes the duty over.
    pub(crate) fn take(&self) -> bool {
        // Acquire [call]: sees what was done before the calls
        self.0.swap(false, Ordering::Acquire)
    }

    /// Whether somebody has called, as far as can be seen from here.
    pub(crate) fn is_called(&self) -> bool {
        // Relaxed [call]: a hint
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;

    #[test]
    fn calls_are_taken_over_together() {
        let call = Call::default();
        assert!(!call.take() && !call.is_called());
        call.call();
        call.call();
        assert!(call.is_called() && call.take() && !call.take());
    }
}

/// With a store in place of the swap: one caller, then the other; who takes reads the second's word, and need not see what the first had done.
#[cfg(all(test, stillpoint_loom))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;
    use stillpoint_primitive::sync::atomic::AtomicU32;

    struct Shared {
        call: Call,
        done: [AtomicU32; 2],
    }

    #[test]
    fn who_takes_two_calls_sees_what_both_callers_had_done() {
        loom::model(|| {
            let done = [AtomicU32::new(0), AtomicU32::new(0)];
            let shared = Arc::new(Shared { call: Call::default(), done });
            let callers = [0, 1].map(|caller| {
                let shared = shared.clone();
                thread::spawn(move || {
                    // Relaxed [call]: the call is to release it
                    shared.done[caller].store(1, Ordering::Relaxed);
                    shared.call.call();
                })
            });
            let is_taken = shared.call.take();
            // Relaxed [call]: taking the calls is to acquire it
            let seen = shared.done.each_ref().map(|done| done.load(Ordering::Relaxed));
            callers.into_iter().for_each(|caller| caller.join().unwrap());
            let is_left = shared.call.take();
            assert!(is_taken || is_left, "the calls are lost");
            assert!(is_left || seen == [1, 1], "what a caller had done was not seen");
        });
    }
}

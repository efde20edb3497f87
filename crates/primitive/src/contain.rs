//! [`contain`]: other people's code in the middle of something.

/// Runs `f`, which is somebody else's, and goes on whether it panics or not (the panic has been reported by then). Under loom, and without
/// `std`, a panic goes on instead.
#[inline]
pub fn contain(f: impl FnOnce()) {
    #[cfg(all(feature = "std", not(stillpoint_loom)))]
    {
        use std::panic::{AssertUnwindSafe, catch_unwind};
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            // The payload's own destructor may panic in its turn; what that leaves is let go.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                core::mem::forget(again);
            }
        }
    }
    #[cfg(not(all(feature = "std", not(stillpoint_loom))))]
    f();
}

#[cfg(all(test, feature = "std", not(stillpoint_loom)))]
mod tests {
    use super::contain;

    /// The second payload is left where it is: not a test for who looks for leaks.
    #[test]
    #[cfg_attr(stillpoint_system_alloc, ignore = "it leaks a payload, as it has to")]
    fn a_panic_whose_payload_panics_is_contained() {
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        contain(|| std::panic::panic_any(Bad));
        let mut run = false;
        contain(|| run = true);
        assert!(run);
    }
}

//! `std`'s atomics with fences that ThreadSanitizer understands.
//!
//! ThreadSanitizer does not know fences: what is ordered by a pair of them it reports as a race. In its build every fence is a read-modify-write
//! of one word instead, which orders at least as much between two fences. (Where a fence meets a plain Release or Acquire access, the code under
//! the sanitizer must order by the accesses themselves.)
//!
//! Tags: `[fence]` the AcqRel read-modify-write that stands for a fence.

pub use std::sync::atomic::*;

/// The word that all fences meet at; holds nothing.
static MEETING: AtomicU64 = AtomicU64::new(0);

/// As in `std`, stronger.
#[inline]
pub fn fence(_order: Ordering) {
    // AcqRel [fence]: comes after every fence before it, and before every one after.
    MEETING.fetch_add(1, Ordering::AcqRel);
}

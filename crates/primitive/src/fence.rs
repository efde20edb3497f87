//! Light and heavy fences: the store→load handshake between a reader and a reclaimer.
//!
//! A reader publishes a reservation and then loads pointers; a reclaimer unlinks and then reads reservations. Each needs its
//! store to be seen before its load, or both may miss the other (store buffering). With [`Fences::Asymmetric`] the reader pays
//! a compiler fence and the reclaimer one `membarrier(PRIVATE_EXPEDITED)`, which makes every running thread of the process
//! execute a full barrier; with [`Fences::Strict`] both sides execute one themselves.
//!
//! Tag: `[handshake]`, the two fences of the pair, in `light` (or `publish`) and `heavy`.
//!
//! The pair is outside the formal memory model of the language; checkers (loom, shuttle, ThreadSanitizer) and hosts without `membarrier`, or without `std`,
//! therefore always get `Strict`. Source: Linux `membarrier(2)`; C++ P1202 `asymmetric_thread_fence`.

use crate::sync::atomic::{AtomicU64, Ordering, fence};

/// How a collector's readers and reclaimers meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fences {
    /// Compiler fence for readers, `membarrier` for reclaimers. Only as [`detect`](Fences::detect) gives it: elsewhere `heavy` panics.
    Asymmetric,
    /// A `SeqCst` fence on both sides; in [`publish`](Fences::publish) an exchange, where that is as good.
    Strict,
}

impl Fences {
    /// The cheapest kind that this host carries; registers the process for `membarrier` where it exists.
    ///
    /// # Cost
    /// One system call.
    pub fn detect() -> Fences {
        if membarrier::register() { Fences::Asymmetric } else { Fences::Strict }
    }

    /// The reader's side: later loads of this thread come after its earlier stores, as far as [`heavy`](Fences::heavy) can tell.
    ///
    /// # Progress
    /// Wait-free.
    #[inline(always)]
    pub fn light(self) {
        match self {
            Fences::Asymmetric => light_asymmetric(),
            // SeqCst [handshake]: pairs with the reclaimer's fence in `heavy`.
            Fences::Strict => fence(Ordering::SeqCst),
        }
    }

    /// Stores `value` into `word` with Release, and then does what [`light`](Fences::light) does.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Cost
    /// `Strict`: one exchange on x86-64, a store and a fence elsewhere.
    #[inline(always)]
    pub fn publish(self, word: &AtomicU64, value: u64) {
        match self {
            Fences::Asymmetric => {
                // Release [handshake]: the caller's earlier stores come first.
                word.store(value, Ordering::Release);
                light_asymmetric();
            }
            Fences::Strict => publish_strict(word, value),
        }
    }

    /// The reclaimer's side: when it returns, every other thread either had its reservation visible to our later loads, or will
    /// see our earlier stores after its next [`light`](Fences::light).
    ///
    /// # Progress
    /// `Strict`: wait-free. `Asymmetric`: one system call, 0.2 µs to several µs; a descheduled virtual processor can stretch it
    /// to milliseconds.
    ///
    /// # Panics
    /// `Asymmetric`, and the host refuses `membarrier`: it was not detected, or a filter of system calls forbids it by now.
    #[inline]
    pub fn heavy(self) {
        // SeqCst [handshake]: orders our own stores before our own loads; `membarrier` does it for the others.
        fence(Ordering::SeqCst);
        if self == Fences::Asymmetric && !membarrier::barrier() {
            // A filter of system calls has been set up since, or nobody has asked `detect`. Going on would be unsound.
            panic!(
                "membarrier is refused: set up system call filters before, or use strict fences"
            );
        }
    }
}

/// On x86-64 an exchange is a full barrier by itself. The language does not promise that, hence the compiler fence; and checkers get what it does promise.
#[cfg(all(
    target_arch = "x86_64",
    not(any(stillpoint_loom, stillpoint_shuttle, stillpoint_tsan, miri))
))]
#[inline(always)]
fn publish_strict(word: &AtomicU64, value: u64) {
    // SeqCst [handshake]: pairs with the reclaimer's fence in `heavy`; Release for the caller's earlier stores is in it.
    word.swap(value, Ordering::SeqCst);
    // SeqCst [handshake]: the compiler moves no later load up either.
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
}

#[cfg(not(all(
    target_arch = "x86_64",
    not(any(stillpoint_loom, stillpoint_shuttle, stillpoint_tsan, miri))
)))]
#[inline(always)]
fn publish_strict(word: &AtomicU64, value: u64) {
    // Release [handshake]: the caller's earlier stores come first.
    word.store(value, Ordering::Release);
    // SeqCst [handshake]: pairs with the reclaimer's fence in `heavy`.
    fence(Ordering::SeqCst);
}

#[cfg(not(any(stillpoint_loom, stillpoint_shuttle, stillpoint_tsan)))]
#[inline(always)]
fn light_asymmetric() {
    // SeqCst [handshake]: a compiler fence; the processor's part is done by the reclaimer's `membarrier`.
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
}

#[cfg(any(stillpoint_loom, stillpoint_shuttle, stillpoint_tsan))]
fn light_asymmetric() {
    // SeqCst [handshake]: checkers do not know `membarrier`.
    fence(Ordering::SeqCst);
}

#[cfg(all(
    feature = "std",
    target_os = "linux",
    not(miri),
    not(any(stillpoint_loom, stillpoint_shuttle, stillpoint_tsan))
))]
mod membarrier {
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    fn call(command: libc::c_int) -> bool {
        // SAFETY: the call takes two integers, touches no memory of ours, and reports an unknown command as an error.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0) == 0 }
    }
    pub(super) fn register() -> bool {
        call(REGISTER_PRIVATE_EXPEDITED)
    }
    pub(super) fn barrier() -> bool {
        call(PRIVATE_EXPEDITED)
    }
}

#[cfg(not(all(
    feature = "std",
    target_os = "linux",
    not(miri),
    not(any(stillpoint_loom, stillpoint_shuttle, stillpoint_tsan))
)))]
mod membarrier {
    pub(super) fn register() -> bool {
        false
    }
    /// Checkers take the light fence for a real one; elsewhere there is nothing that would make up for its being none.
    pub(super) fn barrier() -> bool {
        cfg!(any(stillpoint_loom, stillpoint_shuttle))
    }
}

#[cfg(all(test, not(any(stillpoint_loom, stillpoint_shuttle))))]
mod tests {
    use super::Fences;

    #[test]
    fn both_kinds_of_fence_run() {
        for fences in [Fences::detect(), Fences::Strict] {
            fences.light();
            fences.heavy();
        }
    }
}

//! [`Announcement`] and [`Remaining`]: how the last block frees the core once the last handle is gone.
//!
//! ```text
//! a free     freeing = 1 ── light fence ── closed? ── no:  … put the block away …  freeing = 0     (the last touch of the core)
//!                                                  └─ yes: freeing = 0;  remaining -= 1;  0: free the core
//! the close  closed on every local ── heavy fence ── wait for freeing == 0 ── remaining += blocks in use;  0: free the core
//! ```
//! 1. A free has announced itself before it looks whether the pool is closed. So the close either waits for it and finds its block put
//!    away, or is seen by it; never both, since who sees the close puts nothing away.
//! 2. A free does not touch the core after its announcement has ended (or after `remaining` went down), except who brings `remaining` to 0.
//! 3. Allocations need a handle, so none is under way during the close; nor is a free that has a handle, which announces nothing.
//!
//! `remaining` starts high, so that frees which see the close before the sum has been added cannot bring it to 0.
//!
//! Tags: `[close]` the handshake above: Relaxed accesses around the fences, Release at the end of a free / Acquire in the wait: what was
//! put away is there; `[remaining]` AcqRel: who brings it to 0 comes after everything that the others did.

use stillpoint_primitive::fence::Fences;
use stillpoint_primitive::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use stillpoint_primitive::sync::thread;

/// What a model may take out, to show that it is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mutation {
    None,
    #[cfg(all(test, stillpoint_loom))]
    NoAnnouncement,
    #[cfg(all(test, stillpoint_loom))]
    NoFence,
    #[cfg(all(test, stillpoint_loom))]
    NoBias,
}

/// Whether a thread frees a block without a handle of the pool.
#[derive(Default)]
pub(crate) struct Announcement(AtomicU32);

impl Announcement {
    /// Begins. By the owner.
    #[inline(always)]
    pub(crate) fn begin(&self, fences: Fences) {
        self.begin_mutated(fences, Mutation::None);
    }

    #[inline(always)]
    fn begin_mutated(&self, fences: Fences, mutation: Mutation) {
        match mutation {
            Mutation::None => {
                // Relaxed [close]: the fence orders it before the look at `closed`.
                self.0.store(1, Ordering::Relaxed);
                fences.light();
            }
            #[cfg(all(test, stillpoint_loom))]
            Mutation::NoAnnouncement => fences.light(),
            #[cfg(all(test, stillpoint_loom))]
            // Relaxed [close]: on purpose without the fence.
            _ => self.0.store(1, Ordering::Relaxed),
        }
    }

    /// Ends. The last touch of the core.
    #[inline(always)]
    pub(crate) fn end(&self) {
        // Release [close]: what has been put away is there for who counts it.
        self.0.store(0, Ordering::Release);
    }

    /// Ends what a thread began that does not exist any more.
    pub(crate) fn forget(&self) {
        // Relaxed [close]: the process has one thread.
        self.0.store(0, Ordering::Relaxed);
    }

    /// Waits until no free is under way.
    pub(crate) fn wait(&self) {
        // Acquire [close]: see the header.
        while self.0.load(Ordering::Acquire) != 0 {
            thread::yield_now();
        }
    }
}

/// Blocks in use after the last handle has gone.
pub(crate) struct Remaining(AtomicU64);

const BIAS: u64 = 1 << 62;
/// Blocks that nobody frees. Set twice it is the same.
const FORGONE: u64 = 1 << 60;

impl Remaining {
    pub(crate) fn new() -> Remaining {
        Self::from_bias(BIAS)
    }

    fn from_bias(bias: u64) -> Remaining {
        Remaining(AtomicU64::new(bias))
    }

    /// The close has found so many blocks in use. `true`: the caller frees the core.
    #[must_use]
    pub(crate) fn add(&self, in_use: u64) -> bool {
        self.add_from_bias(in_use, BIAS)
    }

    fn add_from_bias(&self, in_use: u64, bias: u64) -> bool {
        let difference = in_use.wrapping_sub(bias);
        // AcqRel [remaining]: see the header.
        self.0.fetch_add(difference, Ordering::AcqRel).wrapping_add(difference) == 0
    }

    /// From now on nobody frees the core.
    pub(crate) fn forgo(&self) {
        // Relaxed [remaining]: more blocks than the shares of threads that are gone can be off by; the process has one thread.
        self.0.fetch_or(FORGONE, Ordering::Relaxed);
    }

    /// `blocks` have been freed after the close. `true`: the caller frees the core.
    #[must_use]
    pub(crate) fn take(&self, blocks: u64) -> bool {
        // AcqRel [remaining]: see the header.
        self.0.fetch_sub(blocks, Ordering::AcqRel) == blocks
    }
}

#[cfg(all(test, not(stillpoint_shuttle)))]
mod tests;

//! [`Scheme`] and [`Protect`]: what a structure needs of a reclamation scheme, whichever it is.
//!
//! A structure is written once, over these two traits, to the strictest rules that it wants to run under:
//!
//! | rule | because of | what the author does |
//! |---|---|---|
//! | a load may say [`Restart`] | `leased` (lease ran out), `hp` (source changed) | `?` out of the attempt; [`Protect::retrying`] around it restarts |
//! | a protection lives in a *slot* | `hp` ([`PER_POINTER`](Scheme::PER_POINTER)) | a pointer stays good until its slot is used again; rotate slots along a list |
//! | a link of an unlinked node may name reclaimed memory | `hp` (no [`FROZEN_LINKS_OK`](Scheme::FROZEN_LINKS_OK)) | test the link's own mark after the load, before following it; or demand the constant |
//! | what a failed CAS or a swap finds is not protected | all but epochs | [`Unprotected`], and [`Protect::confirm`] |
//! | the node that one has just published | `hp` | is no longer one's own: do not touch it |
//!
//! Demands are constants, checked where the structure is made: `const { assert!(S::FROZEN_LINKS_OK, "…") }` does not compile for a
//! scheme that cannot carry it.
//!
//! # Examples
//! The pop of a stack, on every scheme:
//! ```
//! use stillpoint_reclaim::{Atomic, Protect, Restart, Scheme};
//!
//! struct Node { value: u64, next: Atomic<Node> }
//!
//! fn pop<S: Scheme>(head: &Atomic<Node>, scheme: &S) -> Option<u64> {
//!     scheme.pin().complete(|guard| loop {
//!         let top = guard.protect_root(0, head)?;
//!         // SAFETY: protected by slot 0 of `guard`.
//!         let Some(node) = (unsafe { top.as_ref() }) else { return Ok(None) };
//!         let next = node.next.load_unprotected();
//!         // The node is protected, so its address is not used again: the head is the same node, and its link never changes.
//!         if head.compare_exchange_unprotected(top, next).is_ok() {
//!             let value = node.value;
//!             // SAFETY: unlinked just now, by us alone.
//!             unsafe { top.retire(guard) };
//!             return Ok(Some(value));
//!         }
//!     })
//! }
//! # let scheme = stillpoint_reclaim::Collector::new();
//! # let guard = scheme.pin();
//! # let head = Atomic::new(stillpoint_reclaim::Owned::new(&guard, Node { value: 7, next: Atomic::null() }));
//! # assert_eq!((pop(&head, &scheme), pop(&head, &scheme)), (Some(7), None));
//! ```

use crate::atomic::{Atomic, Shared, Unprotected};
use crate::leased::Expired;
use crate::node::Header;
use core::fmt;

/// The attempt has to start again from its root: its protection does not hold out, or the place that it read has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart;

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation has to restart from its root")
    }
}

impl core::error::Error for Restart {}

impl From<Expired> for Restart {
    fn from(_: Expired) -> Self {
        Restart
    }
}

/// A reclamation scheme: a collector of it. A cheap handle; clones are the same collector, and the last one dropped reclaims what is
/// left.
///
/// # Safety
/// What a guard of it protects, by the rules in the module's table, is not reclaimed while the protection lasts; a retired node is
/// reclaimed at most once.
pub unsafe trait Scheme: Clone + Send + Sync + 'static {
    /// Its name, in reports.
    const NAME: &'static str;
    /// A stalled guard holds back a bounded number of nodes, whatever is retired afterwards.
    const ROBUST: bool;
    /// Nodes carry the epoch of their birth: a foreign one (a closure, a box) is held back longer.
    const NEEDS_BIRTH: bool;
    /// A guard protects pointers one by one, each in a slot; else everything loaded under it until it goes.
    const PER_POINTER: bool;
    /// Pointers that a guard can protect at once.
    const SLOTS: usize;
    /// Links of a node that was unlinked after the guard began may be followed.
    const FROZEN_LINKS_OK: bool;

    /// Its guard.
    type Guard<'c>: Protect
    where
        Self: 'c;

    /// Begins a protected section of the calling thread. Guards nest.
    fn pin(&self) -> Self::Guard<'_>;

    /// Whether `guard` is one of this collector's: another's protects nothing here.
    fn owns(&self, guard: &Self::Guard<'_>) -> bool;

    /// Whether a guard can come to an end of what it may hold, so that [`Protect::retrying`] can fail.
    fn is_capped(&self) -> bool {
        false
    }

    /// Reclaims whatever no guard holds back of the nodes that this thread, or one that has exited, retired.
    ///
    /// # Progress
    /// Blocking.
    fn flush(&self);

    /// Nodes retired and not yet reclaimed: a sum over threads, of this moment.
    fn unreclaimed(&self) -> u64;
}

/// A guard of some scheme.
///
/// # Safety
/// As [`Scheme`].
pub unsafe trait Protect: Sized {
    /// Loads a pointer from a **root**: a place that is never itself reclaimed while it can be reached, and from which whoever retires
    /// a node has unlinked it before.
    ///
    /// # Progress
    /// Wait-free: a bounded number of rounds.
    ///
    /// # Errors
    /// [`Restart`] when the bound is reached (`hp`: the root changed every time), or past a cap.
    fn protect_root<'g, T>(
        &'g self,
        slot: usize,
        src: &Atomic<T>,
    ) -> Result<Shared<'g, T>, Restart>;

    /// Loads a pointer from a **link** in a protected node. On a scheme without [`FROZEN_LINKS_OK`](Scheme::FROZEN_LINKS_OK) the result
    /// may be followed only if the link's own tag says that its node was still linked when it was loaded.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Errors
    /// [`Restart`].
    fn protect<'g, T>(&'g self, slot: usize, src: &Atomic<T>) -> Result<Shared<'g, T>, Restart>;

    /// Protects what a failed CAS or a swap found in `src`.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Errors
    /// [`Restart`]: it may be reclaimed already.
    fn confirm<'g, T>(
        &'g self,
        slot: usize,
        found: Unprotected<T>,
        src: &Atomic<T>,
    ) -> Result<Shared<'g, T>, Restart>;

    /// The header for a node made now.
    fn header(&self) -> u64;

    /// Hands over a node that has been unlinked: `reclaim(ptr)` runs once nobody can hold it, on some thread.
    ///
    /// # Safety
    /// - `ptr` was reachable only through places from which it has been unlinked, and is retired once.
    /// - `header` is the node's, made from [`header`](Protect::header) of a guard of the same collector before the node was published.
    /// - `reclaim(ptr)` may run on any thread, and what it drops may be dropped there; data that is not `'static` outlives the
    ///   collector.
    unsafe fn retire_node(
        &self,
        ptr: *mut u8,
        header: &Header,
        bytes: usize,
        reclaim: unsafe fn(*mut u8),
    );

    /// Makes ready for another attempt under this guard; what earlier attempts have returned stays protected where protection is not
    /// per pointer.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Errors
    /// [`Restart`] past a cap: only [`repin`](Protect::repin) helps.
    fn renew(&self) -> Result<(), Restart>;

    /// A guard inside this one, whose protection it shares: what is loaded under it stays protected as long as either lives (where protection
    /// is not per pointer), whereas a renewal of this one does not concern its traversals.
    ///
    /// # Progress
    /// As [`Scheme::pin`].
    fn nested(&self) -> Self;

    /// Begins a fresh section in this guard's place. Inside another guard of the same thread, where that cannot be done, it goes on
    /// under that one even past a cap.
    fn repin(&mut self);

    /// Makes ready for another attempt even past a cap: from then on this guard, and those around it, hold back everything retired after
    /// they began, as a guard of plain epochs does. A collector with a cap counts it ([`Stats::overdrafts`](crate::Stats::overdrafts)).
    ///
    /// What is given here does nothing, which is right for a scheme without caps, whose [`renew`](Protect::renew) always succeeds. **A scheme
    /// whose `renew` can fail must provide its own**, after which it succeeds: [`insisting`](Protect::insisting) and
    /// [`complete`](Protect::complete) go round for ever otherwise.
    ///
    /// # Progress
    /// Wait-free.
    fn overdraw(&self) {}

    /// Runs `attempt` until it does not say [`Restart`]: the restart is written once. What it returns may borrow from the guard.
    ///
    /// # Progress
    /// That of the attempt; under `leased`, times the logarithm of its length in ticks.
    ///
    /// # Errors
    /// [`Restart`] only past a cap (see [`Scheme::is_capped`]).
    #[inline]
    fn retrying<'g, R>(
        &'g self,
        mut attempt: impl FnMut(&'g Self) -> Result<R, Restart>,
    ) -> Result<R, Restart> {
        loop {
            match attempt(self) {
                Ok(result) => return Ok(result),
                Err(Restart) => self.renew()?,
            }
        }
    }

    /// As [`retrying`](Protect::retrying), for what borrows from the guard and cannot fail: past a cap it
    /// [overdraws](Protect::overdraw). For faces that hide the restart (an iterator, a map's `get` without a `Result`).
    ///
    /// # Progress
    /// As [`retrying`](Protect::retrying).
    #[inline(always)]
    fn insisting<'g, R>(&'g self, mut attempt: impl FnMut(&'g Self) -> Result<R, Restart>) -> R {
        loop {
            match attempt(self) {
                Ok(result) => return result,
                Err(Restart) if self.renew().is_ok() => {}
                Err(Restart) => self.overdraw(),
            }
        }
    }

    /// As [`retrying`](Protect::retrying), for what does not borrow from the guard: past a cap it pins anew, so it always ends with a
    /// result. An attempt that is longer than the longest lease would never come to its end that way: it goes on
    /// [past the cap](Protect::overdraw) the third time, and ends with a fresh guard.
    ///
    /// # Progress
    /// As [`retrying`](Protect::retrying).
    #[inline(always)]
    fn complete<R>(&mut self, mut attempt: impl FnMut(&Self) -> Result<R, Restart>) -> R {
        // One place that calls the attempt: it is inlined there, with the guard in registers.
        let mut refused = 0;
        loop {
            match attempt(self) {
                Ok(result) => {
                    if refused > 1 {
                        self.repin();
                    }
                    return result;
                }
                Err(Restart) if self.renew().is_ok() => continue,
                Err(Restart) if refused == 0 => self.repin(),
                Err(Restart) => self.overdraw(),
            }
            refused += 1;
        }
    }
}

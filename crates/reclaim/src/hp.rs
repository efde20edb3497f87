//! **Hazard pointers** (HP): a guard protects single pointers, each in a slot of its own. The tightest bound of all schemes.
//!
//! # Idea
//! Before a reader follows a pointer it publishes it in a *slot*, and looks whether the pointer is still where it came from: if so, whoever
//! unlinks it later will find it published. A thread that has retired enough nodes collects all slots and reclaims what is in none.
//!
//! ```text
//! reader                              reclaimer
//! word = load(src)                    unlink
//! slot = word      ─┐                 retire … retire        a list a thread, until it is full
//! light fence       │ one round       heavy fence            one system call a scan
//! load(src) = word? ┘                 collect all slots, sort; reclaim what is not among them
//!
//! Local ── block ▶ block ▶ …          a block of SLOTS hazards for every guard that the thread has had at once
//!       ── kept, ready                what it retired: to be scanned, to be reclaimed
//! ```
//! The fences are asymmetric: the light one costs a reader nothing where `membarrier` is at hand.
//!
//! # Frozen links
//! The check proves that `src` still holds the pointer, not that the node in which `src` lies is still linked. A node that has been unlinked
//! keeps its link for good, and what that link names may be unlinked, retired and reclaimed after it: the check passes, and the reader
//! holds freed memory. No slot was ever set for it when the scan ran. Hence [`FROZEN_LINKS_OK`](crate::Scheme::FROZEN_LINKS_OK) is false. What a
//! structure does instead: it marks the link *before* it unlinks the node (a tag), and tests the mark **after** the load
//! ([`Shared::tag`](crate::Shared::tag)). The check compares the whole word, so an unmarked result was, at the reload, in a node that was not
//! yet unlinked; a marked one means: restart from the root. Stacks and queues follow no link of a node that may be unlinked, and need no
//! marks.
//!
//! # Slots
//! What is loaded into a slot stays protected until the slot is used again or the guard goes. A list's traversal rotates its slots
//! (previous, current, next), so no pointer is ever copied from slot to slot. A nested guard has a block of its own.
//!
//! # Progress
//! pin, unpin: wait-free (the first guard of a depth allocates; on a thread whose thread-locals are gone each outermost pin registers it anew). A load is wait-free: 16 rounds at the most, then
//! [`Restart`](crate::Restart); an operation that restarts is lock-free, since somebody else changed the place each time. retire is wait-free but
//! for the heavy fence of a scan; it runs up to four destructors of earlier nodes.
//!
//! # The bound
//! With `T` threads that retire, `H` slots in all (`SLOTS` for each guard that there has been at once) and `R` =
//! [`Hazard::with_threshold`] there are never more than
//!
//! ```text
//! (T + 1) · max(R, 2·H)       unreclaimed, whatever guards do: at most H of them held, the others waiting for their scan
//! ```
//! [`Hazard::bound`] computes it. A thread scans when it has that many; at least half of them are in no slot, so a scan costs O(1) a
//! retirement (times the logarithm of `H`). The 1 is for what exited threads left; destructors that retire more than they free are outside.
//!
//! # Why it is safe
//! 1. A node is unlinked, then retired, then comes a heavy fence, then the scan reads all slots.
//! 2. A reader whose light fence comes before that heavy fence has its slot seen by the scan. One whose light fence comes after sees the
//!    unlink at its reload, and drops the pointer.
//! 3. A slot is overwritten or cleared with Release, the scan reads it with Acquire: the reader's accesses come before the free.
//! 4. A block is published before the first slot in it is set, hence before the reader's fence: a scan that has to see it reaches it.
//!
//! Orderings, by tag: `[hazard]` and `[append]` in `hp/hazards.rs`.
//!
//! In the child of a `fork` a collector of this kind is not to be used: slots and locks of threads that are not there stay as they were.
//!
//! # When to choose it
//! When memory behind stalled threads must stay within a few hundred nodes, and the structure has few links to follow: each load costs a
//! store and a reload. Else `leased`.
//!
//! Sources: Michael, *Hazard pointers* (IEEE TPDS 2004); asymmetric fences: C++ P1202, and `std::hazard_pointer` of C++26.
//!
//! # Examples
//! ```
//! use stillpoint_reclaim::{Atomic, Owned, Protect, Scheme, hp::Hazard};
//! use stillpoint_primitive::sync::atomic::Ordering;
//!
//! let scheme = Hazard::new();
//! let guard = scheme.pin();
//! let cell = Atomic::new(Owned::new(&guard, 7));
//! let seen = guard.retrying(|guard| guard.protect_root(0, &cell))?;
//! let old = cell.swap(Owned::new(&guard, 8), Ordering::AcqRel);
//! // SAFETY: unlinked just now, by us alone.
//! unsafe { old.retire(&guard) };
//! // SAFETY: in slot 0 of `guard`.
//! assert_eq!(unsafe { seen.deref() }, &7);
//! # let last = cell.take(Ordering::AcqRel);
//! # // SAFETY: the cell is about to go.
//! # unsafe { last.retire(&guard) };
//! # Ok::<(), stillpoint_reclaim::Restart>(())
//! ```

mod collector;
mod guard;
mod hazards;
mod local;
mod scan;

#[cfg(stillpoint_loom)]
#[doc(hidden)]
pub use collector::Mutation;
pub use collector::{Hazard, Stats};
pub use guard::Guard;

//! **Leased epochs**, the default scheme: epochs whose readers declare in advance how long they may be behind.
//!
//! A reader *pins* a [`Collector`], loads pointers under the [`Guard`], and unpins by dropping it. A writer that has unlinked a
//! node *retires* it; the node is reclaimed once no reader can hold it any more. What sets this scheme apart from plain epochs: a
//! reader declares in advance up to which epoch it may meet nodes (its *lease*), so a stalled reader holds back a bounded number
//! of nodes instead of everything retired after it stalled; and unlike hazard pointers a load costs one compare.
//!
//! # The contract of a load
//! | where from | call | when the lease has run out |
//! |---|---|---|
//! | a root (a place that is never itself reclaimed while reachable) | [`Guard::protect`] | renewed in place, at most 64 rounds; [`Expired`] past the longest lease |
//! | a link inside a node | [`Guard::follow`] | [`Expired`]: [`Guard::renew`], then restart from the root |
//! | the value of a failed CAS or a swap | [`Guard::still_valid`] | as for the place it came from |
//!
//! Extending in place on an interior link is unsound (the link may be frozen, and what it names reclaimed); a loom test shows it.
//! For the same reason **a renewal ends every traversal under way on the guard**: what it holds stays allocated, its links may not be
//! followed any more. One operation at a time notices by itself, since it renews only to restart. References that outlive an
//! operation (an iterator, a cursor) keep the [`Lease`] of their root load and go on with [`Guard::follow_word_under`].
//!
//! # Progress
//! pin, unpin, protect, follow and retire are wait-free, but for a `membarrier` system call, shared by all, once in a few bags on the retiring
//! side (none in [`strict`](Builder::strict) mode). Destructors and the allocator are outside every claim.
//!
//! # The bound
//! With `R` = [`Builder::batch_len`] and `T` threads that make or retire nodes, a guard that stalls holds back no more than
//!
//! ```text
//! live + (upper - lower + 1) · R·T     and in all     + 12·R·T
//! └ reachable at its pin  └ born inside its lease       └ on their way: open, sealed, ready (10); unlinked before the pin (2)
//! ```
//! nodes, whatever is retired afterwards: a thread's `R`-th birth in one epoch moves the epoch on, so at most `R·T` nodes are born in
//! an epoch. `upper - lower` is [`Builder::lease_ticks`] (4) for a guard that never renewed, stalled as it may be, and never more than
//! [`Builder::max_lease_ticks`] (256) for one that goes on loading: past that every load says [`Expired`], until the guard is
//! [pinned anew](Guard::repin). Several such guards add up. [`Collector::bound`] and [`Collector::bound_at_cap`] compute the formula for
//! the two, [`Stats::bound`] shows it for the guards there are, the tests assert it.
//!
//! What cannot say `Expired` (an iterator, a facade: [`Guard::insisting`]; an operation inside another guard; one longer than the longest
//! lease) goes on past the cap and is counted as an [overdraft](Stats::overdrafts): such a guard holds back what a classic one does. Both
//! at once, never failing and always bounded, no scheme has to give (the ERA theorem, below); so the choice is the caller's, per call.
//!
//! The formula presumes that nodes carry their birth (one retired with [`Epoch::ZERO`](crate::Epoch::ZERO) is
//! held back by any older guard), that a guard whose lease has run out loads or renews before it makes `R` more nodes (their birth is
//! stamped with the lease's end), and that destructors retire no more than they free. When a guard goes, what it held back is
//! reclaimed four nodes a retirement, by all threads that retire. A thread that is stopped in the middle of a sweep has in its hands what it split
//! off for itself, up to `16·R + 256` nodes more: `8·R` to be looked at again, eight bags that waited for a fence, and the rest of two pieces of 128 (and what was held back as a whole if it is stopped in a flush, or in the few steps of a sweep between taking the
//! list of that and posting the rest again), which nobody else can reclaim until it goes on. Threads that each retire fewer than `R` nodes and end
//! leave them to those that stay: a writer that fills a bag, a flush, a background thread. (Participants that come and go, and pins without `std`, see to
//! it themselves, once in `R` retirements.) A [classic guard](Collector::pin_classic) holds back everything
//! retired after it, as plain epochs do.
//!
//! # Why it is safe
//! 1. A bag's owner unlinks its nodes, then fences, then reads its retire epoch `r`. Whoever issues the heavy fence first reads an
//!    epoch `> r`, which orders the owner's fence before it.
//! 2. A reader whose light fence comes after that heavy fence sees the unlinks, hence never loads these nodes from a root. A reader
//!    whose light fence came before has its reservation seen by the scan that follows.
//! 3. A load passes its test only if `EPOCH ≤ upper` after the load. The node's birth was read before the node was published and the
//!    epoch only grows, so `birth ≤ upper`, and `upper` was published before.
//! 4. What is reached inside a lease was reachable at the pin or later, hence retired at `r ≥ lower`: had its retirer read an `r`
//!    below the epoch of the pin, the reader would have seen the unlink.
//! 5. After expiry only roots are loaded again; references handed out before stay covered, since `lower` does not move.
//!
//! Sources: interval-based reclamation (Wen et al., PPoPP 2018), asymmetric fences (C++ P1202), epochs (Fraser 2004), the ERA
//! theorem (Sheffi and Petrank, PODC 2023), amortised freeing (Kim, Brown, Singh, PPoPP 2024). The lease is Stillpoint's own.
//!
//! # Examples
//! ```
//! use stillpoint_reclaim::{Atomic, Collector, Owned};
//! use stillpoint_primitive::sync::atomic::Ordering;
//!
//! let collector = Collector::new();
//! let guard = collector.pin();
//! let cell = Atomic::new(Owned::new(&guard, 7));
//! let seen = guard.insisting(|guard| guard.protect(&cell));
//! // SAFETY: protected by `guard`, and only ever replaced, never freed in place.
//! assert_eq!(unsafe { seen.deref() }, &7);
//! let old = cell.swap(Owned::new(&guard, 8), Ordering::AcqRel);
//! // SAFETY: unlinked just now, by us alone.
//! unsafe { old.retire(&guard) };
//! # let last = cell.take(Ordering::AcqRel);
//! # // SAFETY: the cell is about to go.
//! # unsafe { last.retire(&guard) };
//! ```

#[cfg(feature = "std")]
mod background;
mod backlog;
mod bag;
mod builder;
mod collector;
#[cfg(feature = "std")]
mod fork;
mod guard;
mod limits;
mod local;
mod participant;
mod protect;
mod reservation;
mod scoped;
mod stats;
mod sweep;

#[cfg(feature = "std")]
pub use background::{Background, BackgroundBuilder};
pub use builder::Builder;
#[cfg(stillpoint_loom)]
#[doc(hidden)]
pub use collector::Mutation;
pub use collector::{Collector, WeakCollector};
pub use guard::{Expired, Guard, Lease};
pub use limits::Limit;
pub use participant::Participant;
pub use scoped::{Scoped, ScopedGuard};
pub use stats::{OldestGuard, Stats};

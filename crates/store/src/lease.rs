//! Leases: how a snapshot says which old versions it needs.
//!
//! ```text
//!  group:  claimed bitmap (64)  ·  64 slots of 128 bytes: word | deadline
//!  word    0                FREE
//!          bit 62 | g       PINNING: a snapshot is being taken; it will read at some s >= g
//!          s                held: somebody reads at timestamp s
//!          bit 61 | s       KILLED: ended by deadline or pressure; its owner finds out at its next read
//! ```
//! | from | to | by |
//! |---|---|---|
//! | FREE | PINNING | the owner, in `take` |
//! | PINNING | held | the owner, or a pruner who does not want to wait for it |
//! | held | KILLED | anybody |
//! | held, KILLED | FREE | the owner, in `release` |
//!
//! # Invariants
//! 1. **Cut.** Whatever is stamped after `take` returned `s` has a timestamp > s: `take` moves the clock past `s` before it returns, and a stamp is
//!    made of a clock value that was loaded after the version was installed (see `settle` for stamps that others set).
//! 2. **Kept.** Let a writer supersede version `a` by a version stamped `b`, and only then look for leases. If it does not find a lease that
//!    needs `a` (a <= s < b), none will ever. For a lease whose word the writer did not yet see as PINNING or held announced itself after
//!    that look in the total order, loads the clock later still, and the clock has reached `b` since before the look: so s >= b. A word
//!    PINNING|g may still come to any s >= g: so the writer gives it its timestamp itself, from the clock of that moment, and s >= b again. Whoever
//!    stops in the middle of taking a lease thus keeps no more than one that is held.
//! 3. A slot has one owner: the thread whose `fetch_or` set its bit. Only the owner sets the bit free, after the word.
//! 4. A slot's words grow strictly from owner to owner: a later one's clock is past the former one's s. So a CAS from held `s` to KILLED, or from
//!    PINNING|g to held, never hits a later owner.
//! 5. A reader that finds its word still held after a walk knows that every version it needed was linked during the walk.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[lease]` | SeqCst: store word / load clock here against stamp version / load words there (invariant 2); claims and the number of groups are part of the same order. Only a word is set free with Release: who sees it held for longer is careful for longer, and the next owner sees it by the bit |
//! | `[deadline]` | Relaxed: read between two looks at the word, of which the CAS is the second |
//!
//! # Progress
//! `take` and `release` are wait-free (but for the allocation of a new group of slots), `needs` takes a step per live lease.

use crate::commit_clock::CommitClock;
use crate::segments::Segments;
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use stillpoint_primitive::thread_slot;

const FREE: u64 = 0;
const PINNING: u64 = 1 << 62;
const KILLED: u64 = 1 << 61;
#[cfg(not(stillpoint_loom))]
const GROUP: usize = 64;
#[cfg(stillpoint_loom)]
const GROUP: usize = 2;
const NO_DEADLINE: u64 = u64::MAX;

struct Slot {
    word: AtomicU64,
    deadline_ms: AtomicU64,
}

struct Group {
    claimed: CachePadded<AtomicU64>,
    slots: Box<[CachePadded<Slot>]>,
}

impl Group {
    fn new() -> Self {
        let slot = || Slot { word: AtomicU64::new(FREE), deadline_ms: AtomicU64::new(NO_DEADLINE) };
        Group {
            claimed: CachePadded::new(AtomicU64::new(0)),
            slots: (0..GROUP).map(|_| CachePadded::new(slot())).collect(),
        }
    }
}

/// A held lease: the slot's number and the timestamp it reads at. Must be given back to its registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    slot: usize,
    pub(crate) read_timestamp: u64,
}

/// All leases of a store.
pub(crate) struct LeaseRegistry {
    groups: Segments<Group>,
    used_groups: CachePadded<AtomicUsize>,
    #[cfg(stillpoint_loom)]
    pub(crate) announces: bool,
}

impl LeaseRegistry {
    pub(crate) fn new() -> Self {
        LeaseRegistry {
            groups: Segments::new(1, Group::new),
            used_groups: CachePadded::new(AtomicUsize::new(1)),
            #[cfg(stillpoint_loom)]
            announces: true,
        }
    }

    /// Takes a lease at the present moment.
    #[cfg(all(test, not(stillpoint_loom)))]
    pub(crate) fn take(&self, clock: &CommitClock) -> Lease {
        self.take_by(clock, || ())
    }

    /// Takes a lease at the present moment; `announced` is run when it is announced and has no timestamp yet.
    #[inline]
    pub(crate) fn take_by(&self, clock: &CommitClock, announced: impl FnOnce()) -> Lease {
        let slot = self.claim();
        let word = &self.slot(slot).word;
        // Relaxed [deadline]: the slot is ours
        self.slot(slot).deadline_ms.store(NO_DEADLINE, Ordering::Relaxed);
        let pinning = PINNING | clock.now();
        #[cfg(stillpoint_loom)]
        if !self.announces {
            let read_timestamp = clock.now();
            clock.pass(read_timestamp);
            // SeqCst [lease]: as below, too late
            word.store(read_timestamp, Ordering::SeqCst);
            return Lease { slot, read_timestamp };
        }
        // SeqCst [lease]: announced before the clock is read for good
        word.store(pinning, Ordering::SeqCst);
        announced();
        // Else somebody has done it, who may even have ended the lease since.
        let read_timestamp = publish(word, pinning, clock).unwrap_or_else(|there| there & !KILLED);
        Lease { slot, read_timestamp }
    }

    pub(crate) fn release(&self, lease: Lease) {
        // Release [lease]: from here writers need keep nothing for us; who sees this late keeps too much, and the bit is set free behind it
        self.slot(lease.slot).word.store(FREE, Ordering::Release);
        // SeqCst [lease]: the slot may have another owner now
        self.groups
            .at(lease.slot / GROUP)
            .claimed
            .fetch_and(!(1 << (lease.slot % GROUP)), Ordering::SeqCst);
    }

    /// Whether the lease was not killed.
    #[inline]
    pub(crate) fn holds(&self, lease: Lease) -> bool {
        // SeqCst [lease]: after the walk that it vouches for
        self.slot(lease.slot).word.load(Ordering::SeqCst) == lease.read_timestamp
    }

    /// Sets when `kill_overdue` ends the lease.
    pub(crate) fn set_deadline(&self, lease: Lease, deadline_ms: u64) {
        // Relaxed [deadline]: the slot is the caller's
        self.slot(lease.slot).deadline_ms.store(deadline_ms, Ordering::Relaxed);
    }

    #[inline]
    fn slot(&self, slot: usize) -> &Slot {
        &self.groups.at(slot / GROUP).slots[slot % GROUP]
    }

    /// Claims a slot; each thread begins to look at its own, so that threads do not meet in one.
    fn claim(&self) -> usize {
        let own = thread_slot::claim_current().unwrap_or(0) % GROUP;
        let mut group = 0;
        loop {
            // SeqCst [lease]: what is seen to be in use stays so, for writers that look later
            if self.used_groups.load(Ordering::SeqCst) <= group {
                // SeqCst [lease]: writers look into the group from here on
                self.used_groups.fetch_max(group + 1, Ordering::SeqCst);
            }
            let claimed = &self.groups.at(group).claimed;
            // Relaxed [lease]: a hint, the fetch_or decides
            let taken = claimed.load(Ordering::Relaxed);
            for bit in
                (0..GROUP).map(|step| (own + step) % GROUP).filter(|bit| taken & 1 << bit == 0)
            {
                // SeqCst [lease]: ours if it was clear
                if claimed.fetch_or(1 << bit, Ordering::SeqCst) & 1 << bit == 0 {
                    return group * GROUP + bit;
                }
            }
            group += 1;
        }
    }

    /// The claimed slots that are not free, with their words.
    fn words(&self) -> impl Iterator<Item = (&Slot, u64)> {
        // SeqCst [lease]: a group that is not seen yet holds only leases taken after this look
        let groups = self.used_groups.load(Ordering::SeqCst);
        (0..groups).flat_map(|group| {
            let group = self.groups.at(group);
            // SeqCst [lease]: as above, for a bit
            Bits(group.claimed.load(Ordering::SeqCst)).filter_map(|bit| {
                let slot = &*group.slots[bit];
                // SeqCst [lease]: as above, for a word
                let word = slot.word.load(Ordering::SeqCst);
                (word != FREE).then_some((slot, word))
            })
        })
    }

    /// Whether there is no lease at all.
    #[inline(always)]
    pub(crate) fn idle(&self) -> bool {
        // SeqCst [lease]: invariant 2
        let groups = self.used_groups.load(Ordering::SeqCst);
        // The first group is there from the beginning, and commonly the only one.
        self.is_free(0) && (groups == 1 || (1..groups).all(|group| self.is_free(group)))
    }

    #[inline]
    fn is_free(&self, group: usize) -> bool {
        // SeqCst [lease]: invariant 2
        self.groups.at(group).claimed.load(Ordering::SeqCst) == 0
    }

    /// Shows each live lease: its timestamp, or a lower bound of it (`false`) while it is being taken.
    pub(crate) fn for_each(&self, mut f: impl FnMut(u64, bool)) {
        for (_, word) in self.words().filter(|(_, word)| word & KILLED == 0) {
            f(word & !PINNING, word & PINNING == 0);
        }
    }

    /// Shows the timestamp of each live lease. One that is being taken is given its timestamp first; one that is announced only after this began has,
    /// or will have, a later timestamp than the clock had then, and may not be shown.
    pub(crate) fn for_each_exact(&self, clock: &CommitClock, mut f: impl FnMut(u64)) {
        for (slot, word) in self.words() {
            let word = if word & PINNING == 0 {
                word
            } else {
                publish(&slot.word, word, clock).unwrap_or_else(|there| there)
            };
            if word != FREE && word & (KILLED | PINNING) == 0 {
                f(word);
            }
        }
    }

    /// Whether a live lease lies in `from <= s < until`, or one that is being taken may still come to lie there; `until` is the timestamp of a stamp that has been given.
    pub(crate) fn needs(&self, clock: &CommitClock, from: u64, until: u64) -> bool {
        let mut found = false;
        self.for_each_exact(clock, |timestamp| found |= (from..until).contains(&timestamp));
        found
    }

    /// The number of live leases, and the oldest.
    pub(crate) fn count_and_oldest(&self) -> (u64, Option<u64>) {
        let (mut count, mut oldest) = (0, None::<u64>);
        self.for_each(|timestamp, _| {
            count += 1;
            oldest = Some(oldest.map_or(timestamp, |old| old.min(timestamp)));
        });
        (count, oldest)
    }

    /// Whether a lease at exactly this timestamp is held.
    pub(crate) fn is_live(&self, read_timestamp: u64) -> bool {
        self.words().any(|(_, word)| word == read_timestamp)
    }

    /// The timestamps of all held leases, ascending.
    pub(crate) fn live(&self) -> Vec<u64> {
        let mut live: Vec<u64> = self
            .words()
            .map(|(_, word)| word)
            .filter(|word| word & (KILLED | PINNING) == 0)
            .collect();
        live.sort_unstable();
        live
    }

    /// Kills the oldest lease. Whether this call did.
    pub(crate) fn kill_oldest(&self) -> bool {
        let held = self.words().filter(|(_, word)| word & (KILLED | PINNING) == 0);
        held.min_by_key(|(_, word)| *word).is_some_and(|(slot, word)| kill(slot, word))
    }

    /// Kills the leases whose deadline is reached. How many.
    pub(crate) fn kill_overdue(&self, now_ms: u64) -> u64 {
        let mut killed = 0;
        for (slot, word) in self.words().filter(|(_, word)| word & (KILLED | PINNING) == 0) {
            // Relaxed [deadline]: belongs to `word`, or the CAS fails (invariant 4)
            let deadline_ms = slot.deadline_ms.load(Ordering::Relaxed);
            if deadline_ms != NO_DEADLINE && deadline_ms <= now_ms && kill(slot, word) {
                killed += 1;
            }
        }
        killed
    }
}

/// Gives a lease that is being taken its timestamp, whoever is first; or what is there instead.
#[inline]
fn publish(word: &AtomicU64, pinning: u64, clock: &CommitClock) -> Result<u64, u64> {
    let read_timestamp = clock.now();
    clock.pass(read_timestamp);
    // SeqCst [lease]: from here the lease is exact
    word.compare_exchange(pinning, read_timestamp, Ordering::SeqCst, Ordering::SeqCst)
        .map(|_| read_timestamp)
}

fn kill(slot: &Slot, held: u64) -> bool {
    // SeqCst [lease]: from here writers need keep nothing for it, and its owner's next look finds out
    slot.word.compare_exchange(held, held | KILLED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

/// The set bits of a word, ascending.
struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;
    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_taken_at_the_present_moment_and_moves_the_clock_past_itself() {
        let (clock, leases) = (CommitClock::new(), LeaseRegistry::new());
        assert!(leases.idle());
        assert_eq!((0..9).map(|_| clock.tick()).last(), Some(10));
        let lease = leases.take(&clock);
        assert_eq!(lease.read_timestamp, 10);
        assert_eq!(clock.now(), 11);
        assert!(!leases.idle() && leases.holds(lease) && leases.is_live(10));
        leases.release(lease);
        assert!(leases.idle() && !leases.is_live(10));
    }

    #[test]
    fn more_leases_than_a_group_has_slots_are_all_seen_and_all_given_back() {
        let (clock, leases) = (CommitClock::new(), LeaseRegistry::new());
        let taken: Vec<Lease> = (0..300).map(|_| leases.take(&clock)).collect();
        assert_eq!(leases.count_and_oldest(), (300, Some(1)));
        taken.into_iter().for_each(|lease| leases.release(lease));
        assert_eq!(leases.count_and_oldest(), (0, None));
        assert!(leases.idle());
    }

    #[test]
    fn killing_hits_the_oldest_or_the_overdue_and_the_owner_finds_out() {
        let (clock, leases) = (CommitClock::new(), LeaseRegistry::new());
        let (old, new) = (leases.take(&clock), leases.take(&clock));
        assert!(leases.kill_oldest());
        assert!(!leases.holds(old) && leases.holds(new));
        leases.set_deadline(new, 500);
        assert_eq!(leases.kill_overdue(499), 0);
        assert_eq!(leases.kill_overdue(500), 1);
        assert!(!leases.holds(new));
        assert_eq!(leases.count_and_oldest(), (0, None));
        leases.release(old);
        leases.release(new);
        let again = leases.take(&clock);
        assert!(leases.holds(again));
        assert_eq!(leases.kill_overdue(u64::MAX), 0);
    }
}

//! [`OrderedIndex`]: the keys of a space in their order, beside the hash index, which alone has the versions.
//!
//! ```text
//!  ordered map    key ─▶ presence ┐            key ─▶ presence
//!                                 │ hash
//!  hash index                     └─▶ head ─▶ version ─▶ …
//! ```
//! A *record* is a key's chain in the hash index: it comes with the install of a first version on no head, and goes when a removed key's chain is taken out
//! (`prune`). A *presence* says that there may be one. Writes of keys that have a record do not come here.
//!
//! | who | what |
//! |---|---|
//! | a writer that finds no record | **enters**: counts itself in the key's presence, which it puts into the map if there is none or a dead one; installs; **leaves** |
//! | whoever has taken a record out, or has entered and installed nothing | **retracts**: if nobody is counted and there is no record, makes the presence dead, and takes it out of the map |
//! | a reader | walks the map, and finds the versions of each key that it meets by its hash |
//!
//! # Invariants
//! 1. **Covered.** While a key has a record, the map has a presence of it that is not dead. For a record comes only by the hand of a writer that is
//!    counted in a presence that was not dead when it was counted; a presence dies only by [`Presence::die`], which fails if anybody was counted, or has
//!    come and gone, since its state was read; and between that read and the death the retractor saw that there was no record. So at the death
//!    there is none, and none can come by who had entered before; who comes later finds it dead and makes another. And only the dead are
//!    taken out of the map or replaced there.
//! 2. **Before the install.** So a reader that begins its walk after a version was installed, and ends it before the key's record is taken out, meets the key:
//!    the map's ranges meet each key that is there from their first step to their last. What a snapshot at s sees was installed before the snapshot was
//!    taken, and a record with such a version stays as long as the snapshot's lease (prune invariants 1, 2). What a validator must not miss was
//!    installed before it began (settle invariant 6).
//! 3. **Nothing is left.** When all operations have ended, the map has exactly the keys with a record, but for one key a writer that never ended. For the last who
//!    takes the key's record out, or leaves without having installed, retracts after that; it finds nobody counted, and the presence dies,
//!    or it finds somebody, and marks the presence WANTED; then the last of those who leave retracts.
//!
//! # Progress
//! Entering and leaving are lock-free but for the map's own writes, which wait for other writers of the same leaf; retracting is the same. All of it happens for
//! keys that come and go only. A writer that is stopped after it has entered holds up nobody: its key's presence stays.
//!
//! # Cost
//! Instructions an operation, 70,000 to 80,000 keys of 8 bytes (callgrind on `stillpoint-bench --ops`, benches `ordered_…` and `plain_…`, less what filling
//! takes), in a space with order and (without): a set of a key that is there 1,411 (1,383), of a new one 5,574 (1,206), a removal and a set 10,983 (3,496).
//! A key of a range over a snapshot 929, of a scan in no order 322. Memory: 32 bytes in a
//! leaf, and for keys of more than 30 bytes the key once more with 16; 8 bytes of presence, and the link to it.

mod keys;
mod presence;

pub(crate) use keys::{FoundKey, KeyCursor, Side};

use crate::counters::Figure;
use crate::engine::{Engine, uncapped};
use crate::shared_key::SharedKey;
use crate::write::Place;
use presence::Presence;
use stillpoint_pool::Pool;
use stillpoint_structures::map::{Compute, Operation};
use stillpoint_structures::{Collector, Guard, OrderedMap, Refused};

/// An ordered map fails only past a cap on leases.
const UNCAPPED: &str = "the store's collector does not cap leases";

/// The keys of one space in order.
pub(crate) struct OrderedIndex {
    map: OrderedMap<SharedKey, Presence, Collector, Pool>,
}

impl OrderedIndex {
    pub(crate) fn new(collector: Collector, pool: Pool) -> Self {
        OrderedIndex { map: OrderedMap::with_all(collector, pool) }
    }

    /// Keys in it.
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// Counts the caller as somebody who may install a first version of the key; and tells by how many keys there are more.
    fn enter<'g>(&'g self, guard: &'g Guard<'_>, key: &[u8]) -> (&'g Presence, i64) {
        loop {
            let found = self.map.get(key, guard).expect(UNCAPPED);
            if let Some(presence) = found.filter(|presence| presence.enter()) {
                return (presence, 0);
            }
            let decide = |found: Option<(_, &Presence)>| match found {
                Some((_, presence)) if !presence.is_dead() => Operation::Abort(()),
                _ => Operation::Insert(Presence::entered()),
            };
            match self.map.compute(key.into(), decide, guard).expect(UNCAPPED) {
                Compute::Inserted(_, presence) => return (presence, 1),
                Compute::Updated { new: (_, presence), .. } => return (presence, 0),
                _ => {}
            }
        }
    }

    /// Takes a key out that has no record, unless somebody may make one; then the last of those will come here. Whether it did.
    fn retract(&self, guard: &Guard<'_>, key: &[u8], has_record: impl Fn() -> bool) -> bool {
        let Some(presence) = self.map.get(key, guard).expect(UNCAPPED) else { return false };
        // Who has died meanwhile was taken out, or will be, by who made it die; another presence in its place is not this call's.
        presence.die(has_record)
            && self
                .map
                .remove_if(key, |_, presence| presence.is_dead(), guard)
                .expect(UNCAPPED)
                .is_some()
    }
}

impl<O: Send + Sync + 'static> Engine<O> {
    /// Runs the install of a key's first version while the key is in its ordered index.
    #[cold]
    #[inline(never)]
    pub(crate) fn install_present<T>(
        &self,
        ordered: &OrderedIndex,
        guard: &Guard<'_>,
        place: &Place<'_, O>,
        install: impl FnOnce() -> Result<T, Refused<O>>,
    ) -> Result<T, Refused<O>> {
        #[cfg(stillpoint_loom)]
        if self.lacks(crate::Mutation::EnterLate) {
            let result = install();
            ordered.enter(guard, place.key).0.leave();
            return result;
        }
        let (presence, more) = ordered.enter(guard, place.key);
        self.count_ordered(place.key, more);
        #[cfg(stillpoint_loom)]
        if self.lacks(crate::Mutation::LeaveEarly) {
            presence.leave();
            return install();
        }
        let result = install();
        if presence.leave() || result.is_err() {
            self.retract(place.space, place.key, place.hash);
        }
        result
    }

    /// Sees to a key's place in the ordered index, if its space has one, when its record was taken out or did not come.
    pub(crate) fn retract(&self, space: u8, key: &[u8], hash: u64) {
        let Some(ordered) = self.ordered(space) else { return };
        let index = self.space(space);
        let guard = self.collector.pin();
        if ordered.retract(&guard, key, || uncapped(index.find(&guard, hash, key)).is_some()) {
            self.count_ordered(key, -1);
        }
    }

    fn count_ordered(&self, key: &[u8], more: i64) {
        if more != 0 {
            let bytes = SharedKey::footprint(key.len()) as i64;
            self.counters.own().add(Figure::OrderedBytes, more * bytes);
        }
    }
}

//! Trimming: slabs whose blocks are all free go back to the system.
//!
//! ```text
//! depots ──▶ all free blocks in hand ──▶ counted a slab ──▶ all that were ever carved? ──▶ long enough? ──▶ to the system
//!        ◀── the others, in the lowest magazines; the memory of those that are empty then goes as well
//! ```
//! 1. A slab goes only while every block carved from it is in the trimmer's hands (and it is not carved from meanwhile, see `carve`):
//!    nobody else can name it, header and all.
//! 2. One trim at a time: `trimming` is held throughout, and a slab's `seen` belongs to its holder. The lock on slabs is held only while
//!    the table is walked. Allocation goes on beside it, from shelves and fresh slabs.
//!
//! What threads have on their shelves counts as used, except the caller's.

use crate::core::Core;
use crate::depot::Depot;
use crate::magazine::Loaded;
use crate::numbers::Numbers;
use crate::slab::{Geometry, SLAB_BYTES, Slab};
use crate::slabs::Entry;
use std::ptr::NonNull;
use std::sync::PoisonError;
use stillpoint_primitive::SideWord;

/// Which slabs go.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// All that are wholly free.
    None,
    /// Those that have been so for so long, at each trim in between.
    Wait { now_ns: u64, delay_ns: u64 },
}

impl Core {
    /// Returns the bytes given back.
    pub(crate) fn trim(&self, patience: Patience) -> usize {
        let trimming = self.trimming.lock().unwrap_or_else(PoisonError::into_inner);
        self.clear_own_shelves();
        let free: Vec<_> = self.depots.iter().map(InHand::of).collect();
        let gone = self.choose(patience);
        free.iter().for_each(InHand::give_back);
        for slab in &gone {
            if let Some(quarantine) = &self.quarantine {
                quarantine.forget(slab.as_ptr().addr(), SLAB_BYTES);
            }
            self.segments.give(slab.cast());
        }
        self.segments.trim(patience);
        drop(trimming);
        gone.len() * SLAB_BYTES
    }

    /// Takes the slabs that go out of the table, and marks them.
    fn choose(&self, patience: Patience) -> Vec<NonNull<Slab>> {
        let mut slabs = self.slabs();
        let mut gone = Vec::new();
        for entry in slabs.iter_mut() {
            let slab = entry.slab;
            // SAFETY: a slab in the table is formatted, and stays until it is given back below.
            let seen = unsafe { &slab.as_ref().seen };
            let free = seen.get() as usize;
            seen.set(0);
            if free == 0 || free != self.carved(entry) {
                entry.whole_since_ns = None;
            } else if patience.is_over(entry) && self.withdraw(entry, free) {
                seen.set(Slab::GONE);
                gone.push(entry.slab);
            }
        }
        gone.iter().for_each(|slab| slabs.remove(*slab));
        gone
    }

    /// How many blocks have been carved from a slab.
    fn carved(&self, entry: &Entry) -> usize {
        match self.carvings[entry.class].current() {
            Some((slab, carved)) if slab == entry.slab => carved,
            _ => Geometry::of(entry.class).blocks,
        }
    }

    /// Makes sure that nobody carves from a slab any more whose `free` carved blocks are all in hand.
    fn withdraw(&self, entry: &Entry, free: usize) -> bool {
        let carving = &self.carvings[entry.class];
        match carving.current() {
            Some((slab, _)) if slab == entry.slab => carving.withdraw(slab, free),
            _ => true,
        }
    }
}

fn seen(block: &NonNull<u8>) -> &SideWord {
    // SAFETY: the block is in the trimmer's hands, and the slab not given back yet.
    unsafe { &Slab::of(*block).as_ref().seen }
}

/// All magazines of a depot, by number.
struct InHand<'d> {
    depot: &'d Depot,
    all: Numbers,
    full: Numbers,
}

impl InHand<'_> {
    /// Empties a depot; counts its blocks by slab.
    fn of(depot: &Depot) -> InHand<'_> {
        depot.gather();
        let mut hand = InHand { depot, all: Numbers::default(), full: Numbers::default() };
        while let Some(magazine) = depot.take_full() {
            for block in magazine.blocks() {
                let seen = seen(block);
                seen.set(seen.get() + 1);
            }
            hand.full.add(magazine.id());
            hand.all.add(magazine.id());
        }
        while let Some(magazine) = depot.take_left_empty() {
            hand.all.add(magazine.id());
        }
        hand
    }

    fn own(&self, id: u32) -> Loaded {
        // SAFETY: in hand; whoever calls has no other of that number.
        unsafe { self.depot.own(id) }
    }

    /// Gives everything back, without the blocks whose slabs go.
    fn give_back(&self) {
        let filled = self.move_down();
        for id in self.all.iter().take(filled) {
            self.depot.give(self.own(id));
        }
        for run in self.all.runs(filled) {
            // SAFETY: in hand, and empty by `move_down`.
            unsafe { self.depot.give_without_memory(run) };
        }
    }

    /// Moves the blocks that stay into the lowest magazines; returns how many have any.
    ///
    /// Of `n` full magazines that have been looked through, the blocks fit into the `n` lowest in hand, so no place is written to before
    /// it has been read.
    fn move_down(&self) -> usize {
        let capacity = self.depot.capacity();
        let mut targets = self.all.iter().map(|id| self.own(id).places());
        let (mut target, mut stay) = (None, 0);
        for source in self.full.iter().map(|id| self.own(id)) {
            for at in 0..source.len() {
                // SAFETY: inside a magazine in hand.
                let place = unsafe { source.places().add(at) };
                // SAFETY: it holds a block, not overwritten yet.
                let block = unsafe { place.read() };
                if seen(&block).get() == Slab::GONE {
                    continue;
                }
                if stay % capacity == 0 {
                    target = targets.next();
                }
                let to = target.expect("all in hand are at least as many as the full ones");
                // SAFETY: inside a magazine in hand.
                let place = unsafe { to.add(stay % capacity) };
                // SAFETY: as above.
                unsafe { place.write(block) };
                stay += 1;
            }
        }
        for (at, id) in self.all.iter().enumerate() {
            let len = stay.saturating_sub(at * capacity).min(capacity);
            if len > 0 || self.full.contains(id) {
                // SAFETY: so many blocks have been written to it.
                unsafe { self.own(id).set_len(len) };
            }
        }
        stay.div_ceil(capacity)
    }
}

impl Patience {
    fn is_over(self, entry: &mut Entry) -> bool {
        match self {
            Patience::None => true,
            Patience::Wait { now_ns, delay_ns } => {
                let since = *entry.whole_since_ns.get_or_insert(now_ns);
                now_ns.saturating_sub(since) >= delay_ns
            }
        }
    }
}

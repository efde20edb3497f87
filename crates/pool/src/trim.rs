//! Trimming: slabs whose blocks are all free go back to the system.
//!
//! ```text
//! depots ──▶ all free blocks in hand ──▶ counted a slab ──▶ all that were ever carved? ──▶ long enough? ──▶ to the system
//!        ◀── the others, in full magazines
//! ```
//! 1. A slab goes only while every block carved from it is in the trimmer's hands (and it is not carved from meanwhile, see `carve`):
//!    nobody else can name it, header and all.
//! 2. One trim at a time: `trimming` is held throughout, and a slab's `seen` belongs to its holder. The lock on slabs is held only while
//!    the table is walked. Allocation goes on beside it, from shelves and fresh slabs.
//!
//! What threads have on their shelves counts as used, except the caller's.

use crate::core::Core;
use crate::depot::{Depot, Loaded};
use crate::slab::{Geometry, SLAB_BYTES, Slab};
use crate::slabs::Entry;
use std::ptr::NonNull;
use std::sync::PoisonError;

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
        let free: Vec<_> = self.depots.iter().map(take_magazines).collect();
        let gone = self.choose(patience);
        for (depot, magazines) in self.depots.iter().zip(free) {
            put_back(depot, magazines);
        }
        for slab in &gone {
            if let Some(quarantine) = &self.quarantine {
                quarantine.forget(slab.as_ptr().addr(), SLAB_BYTES);
            }
            self.segments.give(slab.cast());
        }
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

fn header(block: &NonNull<u8>) -> &Slab {
    // SAFETY: the block is in the trimmer's hands, and the slab not given back yet.
    unsafe { Slab::of(*block).as_ref() }
}

/// Empties a depot; counts its blocks by slab.
fn take_magazines(depot: &Depot) -> Vec<Loaded> {
    let count = |mut magazine: Loaded| {
        magazine.with(|blocks| {
            for block in blocks {
                let seen = &header(block).seen;
                seen.set(seen.get() + 1);
            }
        });
        magazine
    };
    std::iter::from_fn(|| depot.take_full()).map(count).collect()
}

/// Gives the blocks that stay back, in full magazines; the memory of magazines that become empty goes.
fn put_back(depot: &Depot, magazines: Vec<Loaded>) {
    let mut filling: Option<Loaded> = None;
    for mut magazine in magazines {
        magazine.with(|blocks| {
            blocks.retain(|block| header(block).seen.get() != Slab::GONE);
        });
        let Some(mut into) = filling.take() else {
            filling = Some(magazine);
            continue;
        };
        // The fuller one is filled up from the other.
        magazine.with(|blocks| {
            into.with(|into| {
                let room = depot.capacity() - into.len();
                into.extend(blocks.drain(blocks.len().saturating_sub(room)..));
                if into.len() == depot.capacity() {
                    std::mem::swap(into, blocks);
                }
            });
        });
        // A full one goes to the depot, an empty one without its memory; the other is filled further.
        if magazine.with(|blocks| blocks.is_empty()) {
            magazine.with(|blocks| *blocks = Vec::new());
        }
        depot.give(magazine);
        filling = Some(into);
    }
    if let Some(mut last) = filling {
        last.with(|blocks| {
            if blocks.is_empty() {
                *blocks = Vec::new();
            }
        });
        depot.give(last);
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

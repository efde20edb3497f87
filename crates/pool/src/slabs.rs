//! [`Slabs`]: the table of slabs in use, under a lock; slow path only.
//!
//! A slab's header holds its number here; numbers of slabs that went back are used again.

use crate::class;
use crate::slab::Slab;
use std::ptr::NonNull;

/// What is known about a slab.
pub(crate) struct Entry {
    pub(crate) slab: NonNull<Slab>,
    pub(crate) class: usize,
    /// When a trim first saw it wholly free; since then it has been so at each.
    pub(crate) whole_since_ns: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Slabs {
    entries: Vec<Option<Entry>>,
    vacant: Vec<u32>,
}

impl Slabs {
    /// Enters a slab, which `format` makes for its number.
    pub(crate) fn add(
        &mut self,
        class: usize,
        format: impl FnOnce(u32) -> NonNull<Slab>,
    ) -> NonNull<Slab> {
        let number = self.vacant.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() as u32 - 1
        });
        let slab = format(number);
        self.entries[number as usize] = Some(Entry { slab, class, whole_since_ns: None });
        slab
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().flatten()
    }

    /// Takes a slab out of the table.
    pub(crate) fn remove(&mut self, slab: NonNull<Slab>) {
        // SAFETY: in the table, so formatted and not given back.
        let number = unsafe { slab.as_ref() }.number;
        self.entries[number as usize] = None;
        self.vacant.push(number);
    }

    /// How many slabs each class has.
    pub(crate) fn by_class(&self) -> [u64; class::COUNT] {
        let mut counts = [0; class::COUNT];
        self.entries.iter().flatten().for_each(|entry| counts[entry.class] += 1);
        counts
    }
}

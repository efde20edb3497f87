//! [`Shelf`]: what a thread has of one class: two magazines, in one cache line.
//!
//! Two magazines (Bonwick): allocation pops from the loaded one, freeing pushes to it; when that cannot be done it changes places with
//! the spare; only when that does not help either is a magazine exchanged with the depot. So a thread that alternates around a
//! magazine's edge does not visit the depot each time.
//!
//! 1. `blocks`, `len`, `capacity` describe the loaded magazine, whose own length is out of date meanwhile; without one they are 0.
//! 2. `lent − len`, summed over all threads, is the number of blocks of the class in use: a hit changes `len` alone, and whatever else
//!    changes `len` changes `lent` by as much, unless blocks come into use or go out of it. Each word has one writer, the owner.

use crate::magazine::Loaded;
use std::ptr::NonNull;
use stillpoint_primitive::OwnerCounter;
use stillpoint_primitive::sync::UnsafeCell;

struct Magazines {
    blocks: NonNull<NonNull<u8>>,
    capacity: u64,
    loaded: Option<Loaded>,
    spare: Option<Loaded>,
}

#[repr(align(64))]
pub(crate) struct Shelf {
    magazines: UnsafeCell<Magazines>,
    len: OwnerCounter,
    lent: OwnerCounter,
}

const _: () = assert!(size_of::<Shelf>() == 64 || cfg!(stillpoint_loom));

impl Default for Shelf {
    fn default() -> Self {
        let magazines =
            Magazines { blocks: NonNull::dangling(), capacity: 0, loaded: None, spare: None };
        Shelf {
            magazines: UnsafeCell::new(magazines),
            len: OwnerCounter::new(),
            lent: OwnerCounter::new(),
        }
    }
}

impl Shelf {
    /// # Safety
    /// By the owner of the local (L1); `f` does not come back here.
    #[inline(always)]
    unsafe fn with<R>(&self, f: impl FnOnce(&mut Magazines) -> R) -> R {
        self.magazines.with_mut(|magazines| {
            // SAFETY: exclusive by the caller's promise.
            f(unsafe { &mut *magazines })
        })
    }

    /// What this thread's share in the number of blocks in use is (2); it may be below 0, and wraps around.
    pub(crate) fn in_use(&self) -> u64 {
        self.lent.get().wrapping_sub(self.len.get())
    }

    /// So many blocks went out of use without getting into the loaded magazine.
    pub(crate) fn passed_by(&self, blocks: usize) {
        self.lent.add((blocks as u64).wrapping_neg());
    }

    /// A block came into use without having been in the loaded magazine.
    pub(crate) fn passed_on(&self) {
        self.lent.add(1);
    }

    /// A block that had gone out of use is going to be put here.
    pub(crate) fn expects_one(&self) {
        self.lent.add(1);
    }

    /// A block from the loaded magazine.
    ///
    /// # Safety
    /// By the owner of the local (L1).
    #[inline(always)]
    pub(crate) unsafe fn take(&self) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise.
        let block = unsafe { self.next() }?;
        self.len.set(self.len.get() - 1);
        Some(block)
    }

    /// The block that [`take`](Shelf::take) would give.
    ///
    /// # Safety
    /// As [`take`](Shelf::take).
    #[inline(always)]
    pub(crate) unsafe fn next(&self) -> Option<NonNull<u8>> {
        let left = self.len.get().checked_sub(1)?;
        // SAFETY: the caller's promise; nothing else is touched.
        let blocks = unsafe { self.with(|magazines| magazines.blocks) };
        // SAFETY: a place of the loaded magazine, since there is a block.
        let at = unsafe { blocks.add(left as usize) };
        // SAFETY: the first `len` places hold blocks.
        Some(unsafe { at.read() })
    }

    /// Puts `block` into the loaded magazine, if there is room.
    ///
    /// # Safety
    /// By the owner of the local (L1).
    #[inline(always)]
    pub(crate) unsafe fn put(&self, block: NonNull<u8>) -> bool {
        let len = self.len.get();
        // SAFETY: the caller's promise; nothing else is touched.
        let (blocks, capacity) = unsafe { self.with(|m| (m.blocks, m.capacity)) };
        if len == capacity {
            return false;
        }
        // SAFETY: a place of the loaded magazine, since `len < capacity`.
        let at = unsafe { blocks.add(len as usize) };
        // SAFETY: as above.
        unsafe { at.write(block) };
        self.len.set(len + 1);
        true
    }

    /// Puts as many of `given` into the loaded magazine as there is room for; returns the others.
    ///
    /// # Safety
    /// By the owner of the local (L1).
    #[inline(always)]
    pub(crate) unsafe fn put_many<'b>(&self, given: &'b [NonNull<u8>]) -> &'b [NonNull<u8>] {
        let len = self.len.get();
        // SAFETY: the caller's promise; nothing else is touched.
        let (blocks, capacity) = unsafe { self.with(|m| (m.blocks, m.capacity)) };
        let (fitting, others) = given.split_at(((capacity - len) as usize).min(given.len()));
        // SAFETY: a place of the loaded magazine, or the end of it.
        let at = unsafe { blocks.add(len as usize) };
        // SAFETY: so many places of the loaded magazine are free, and the caller's slice is not part of it.
        unsafe { at.as_ptr().copy_from_nonoverlapping(fitting.as_ptr(), fitting.len()) };
        self.len.set(len + fitting.len() as u64);
        others
    }

    /// Lets the magazines change places.
    ///
    /// # Safety
    /// By the owner of the local (L1).
    pub(crate) unsafe fn turn(&self) {
        // SAFETY: the caller's promise; the closure only moves magazines.
        unsafe {
            self.with(|magazines| {
                let other = magazines.spare.take();
                magazines.spare = self.load(magazines, other);
            });
        }
    }

    /// Loads `magazine`; what was loaded becomes the spare, and the spare is returned. (If nothing was, the spare stays.)
    ///
    /// # Safety
    /// By the owner of the local (L1).
    pub(crate) unsafe fn exchange(&self, magazine: Loaded) -> Option<Loaded> {
        // SAFETY: the caller's promise; the closure only moves magazines.
        unsafe {
            self.with(|magazines| {
                let before = self.load(magazines, Some(magazine))?;
                magazines.spare.replace(before)
            })
        }
    }

    /// Takes both magazines away.
    ///
    /// # Safety
    /// By the owner of the local (L1).
    pub(crate) unsafe fn clear(&self) -> impl Iterator<Item = Loaded> {
        // SAFETY: the caller's promise; the closure only moves magazines.
        let both = unsafe { self.with(|m| [self.load(m, None), m.spare.take()]) };
        both.into_iter().flatten()
    }

    /// Loads another magazine, or none, and returns the one before.
    fn load(&self, magazines: &mut Magazines, magazine: Option<Loaded>) -> Option<Loaded> {
        let len = self.len.get();
        let mut before = std::mem::replace(&mut magazines.loaded, magazine);
        if let Some(before) = &mut before {
            // SAFETY: the first `len` places were written by `put`, or held blocks when it was loaded.
            unsafe { before.set_len(len as usize) };
        }
        let loaded = magazines.loaded.as_ref().map_or(0, |loaded| loaded.len() as u64);
        (magazines.blocks, magazines.capacity) = match &magazines.loaded {
            Some(loaded) => (loaded.places(), loaded.capacity() as u64),
            None => (NonNull::dangling(), 0),
        };
        self.lent.add(loaded.wrapping_sub(len));
        self.len.set(loaded);
        before
    }
}

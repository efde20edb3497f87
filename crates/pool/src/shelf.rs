//! [`Shelf`]: what a thread has of one class: two magazines and two counters, in one cache line.
//!
//! Two magazines (Bonwick): allocation pops from the loaded one, freeing pushes to it; when that cannot be done it changes places with
//! the spare; only when that does not help either is a magazine exchanged with the depot. So a thread that alternates around a
//! magazine's edge does not visit the depot each time.
//!
//! 1. `blocks`, `len`, `capacity` describe the loaded magazine, whose own length is 0 meanwhile; without one they are 0.
//! 2. `allocated` counts what this thread took, `freed` what it gave back, wherever it was allocated: differences over all threads are
//!    what is in use.

use crate::closing::FreeCount;
use crate::depot::Loaded;
use std::ptr::NonNull;
use stillpoint_primitive::OwnerCounter;
use stillpoint_primitive::sync::UnsafeCell;

struct Magazines {
    blocks: *mut NonNull<u8>,
    len: u32,
    capacity: u32,
    loaded: Option<Loaded>,
    spare: Option<Loaded>,
}

#[repr(align(64))]
pub(crate) struct Shelf {
    magazines: UnsafeCell<Magazines>,
    pub(crate) allocated: OwnerCounter,
    pub(crate) freed: FreeCount,
}

impl Default for Shelf {
    fn default() -> Self {
        let magazines = Magazines {
            blocks: NonNull::dangling().as_ptr(),
            len: 0,
            capacity: 0,
            loaded: None,
            spare: None,
        };
        Shelf {
            magazines: UnsafeCell::new(magazines),
            allocated: OwnerCounter::new(),
            freed: FreeCount::default(),
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

    /// A block from the loaded magazine, counted.
    ///
    /// # Safety
    /// By the owner of the local (L1).
    #[inline(always)]
    pub(crate) unsafe fn take(&self) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise; `pop` touches nothing else.
        let block = unsafe { self.with(Magazines::pop) };
        if block.is_some() {
            self.allocated.add(1);
        }
        block
    }

    /// Puts `block` into the loaded magazine, if there is room.
    ///
    /// # Safety
    /// By the owner of the local (L1).
    #[inline(always)]
    pub(crate) unsafe fn put(&self, block: NonNull<u8>) -> bool {
        // SAFETY: the caller's promise; `push` touches nothing else.
        unsafe { self.with(|magazines| magazines.push(block)) }
    }

    /// Puts as many of `blocks` into the loaded magazine as there is room for; returns the others.
    ///
    /// # Safety
    /// By the owner of the local (L1).
    #[inline(always)]
    pub(crate) unsafe fn put_many<'b>(&self, blocks: &'b [NonNull<u8>]) -> &'b [NonNull<u8>] {
        // SAFETY: the caller's promise; `push_many` touches nothing else.
        unsafe { self.with(|magazines| magazines.push_many(blocks)) }
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
                magazines.spare = magazines.load(other);
            });
        }
    }

    /// Loads `magazine`; what was loaded becomes the spare, and the spare is returned.
    ///
    /// # Safety
    /// By the owner of the local (L1).
    pub(crate) unsafe fn exchange(&self, magazine: Loaded) -> Option<Loaded> {
        // SAFETY: the caller's promise; the closure only moves magazines.
        unsafe {
            self.with(|magazines| {
                let old = magazines.spare.take();
                magazines.spare = magazines.load(Some(magazine));
                old
            })
        }
    }

    /// Takes both magazines away.
    ///
    /// # Safety
    /// By the owner of the local (L1).
    pub(crate) unsafe fn clear(&self) -> impl Iterator<Item = Loaded> {
        // SAFETY: the caller's promise; the closure only moves magazines.
        let both = unsafe { self.with(|magazines| [magazines.load(None), magazines.spare.take()]) };
        both.into_iter().flatten()
    }
}

impl Magazines {
    #[inline(always)]
    fn pop(&mut self) -> Option<NonNull<u8>> {
        self.len = self.len.checked_sub(1)?;
        let at = self.blocks.wrapping_add(self.len as usize);
        // SAFETY: the first `len` places hold blocks, and it was one more.
        Some(unsafe { at.read() })
    }

    #[inline(always)]
    fn push(&mut self, block: NonNull<u8>) -> bool {
        if self.len == self.capacity {
            return false;
        }
        let at = self.blocks.wrapping_add(self.len as usize);
        // SAFETY: a place of the loaded magazine, since `len < capacity`.
        unsafe { at.write(block) };
        self.len += 1;
        true
    }

    #[inline(always)]
    fn push_many<'b>(&mut self, blocks: &'b [NonNull<u8>]) -> &'b [NonNull<u8>] {
        let room = (self.capacity - self.len) as usize;
        let (fitting, others) = blocks.split_at(room.min(blocks.len()));
        let at = self.blocks.wrapping_add(self.len as usize);
        // SAFETY: so many places of the loaded magazine are free, and the caller's slice is not part of it.
        unsafe { at.copy_from_nonoverlapping(fitting.as_ptr(), fitting.len()) };
        self.len += fitting.len() as u32;
        others
    }

    /// Loads another magazine, or none, and returns the one before.
    fn load(&mut self, magazine: Option<Loaded>) -> Option<Loaded> {
        let len = self.len as usize;
        let mut before = std::mem::replace(&mut self.loaded, magazine);
        if let Some(before) = &mut before {
            // SAFETY: the first `len` places were written by `push`, or were there when it was loaded.
            before.with(|blocks| unsafe { blocks.set_len(len) });
        }
        (self.blocks, self.len, self.capacity) = match &mut self.loaded {
            Some(loaded) => loaded.with(|blocks| {
                let len = blocks.len() as u32;
                blocks.clear();
                (blocks.as_mut_ptr(), len, blocks.capacity() as u32)
            }),
            None => (NonNull::dangling().as_ptr(), 0, 0),
        };
        before
    }
}

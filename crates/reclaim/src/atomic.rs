//! Typed pointers: [`Atomic`] (a place), [`Owned`] (not published yet), [`Shared`] (loaded under a guard), [`Unprotected`] (not yet
//! known to be protected).
//!
//! The block behind them is `{ birth, value }`. The low bits that `T`'s alignment leaves free carry a tag.
//!
//! Tags: `[publish]` what makes a node reachable is at least Release; `[load]` what fetches a pointer is at least Acquire.

use crate::epoch::Epoch;
use crate::guard::{Expired, Guard};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use stillpoint_primitive::sync::atomic::{AtomicPtr, Ordering};

#[repr(C)]
struct Block<T> {
    birth: Epoch,
    value: T,
}

impl<T> Block<T> {
    const TAG_MASK: usize = align_of::<Block<T>>() - 1;
}

unsafe fn reclaim_block<T>(ptr: *mut u8) {
    // SAFETY: the caller hands over a block made by `Owned::new::<T>`.
    drop(unsafe { Box::from_raw(ptr.cast::<Block<T>>()) });
}

/// A value of one's own, with its birth, ready to be published.
pub struct Owned<T> {
    block: Box<Block<T>>,
}

impl<T> Owned<T> {
    /// Allocates `value`, born under `guard`.
    pub fn new(guard: &Guard<'_>, value: T) -> Self {
        Owned { block: Box::new(Block { birth: guard.birth(), value }) }
    }

    fn into_ptr(self) -> *mut Block<T> {
        Box::into_raw(self.block)
    }
}

impl<T> Deref for Owned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.block.value
    }
}

impl<T> DerefMut for Owned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.block.value
    }
}

/// A pointer loaded under a guard, possibly null, possibly tagged. What it names stays allocated while the guard lives.
pub struct Shared<'g, T> {
    ptr: *mut Block<T>,
    guard: PhantomData<&'g Guard<'g>>,
}

impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Shared<'_, T> {}

impl<T> PartialEq for Shared<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.ptr == other.ptr
    }
}
impl<T> Eq for Shared<'_, T> {}

impl<'g, T> Shared<'g, T> {
    pub(crate) fn from_raw(ptr: RawShared<T>) -> Self {
        Shared { ptr: ptr.0, guard: PhantomData }
    }

    /// The null pointer.
    pub fn null() -> Self {
        Shared { ptr: std::ptr::null_mut(), guard: PhantomData }
    }

    fn untagged(self) -> *mut Block<T> {
        self.ptr.map_addr(|addr| addr & !Block::<T>::TAG_MASK)
    }

    /// Whether it names nothing, whatever its tag.
    pub fn is_null(self) -> bool {
        self.untagged().is_null()
    }

    /// The tag.
    pub fn tag(self) -> usize {
        self.ptr.addr() & Block::<T>::TAG_MASK
    }

    /// The same pointer with another tag.
    ///
    /// # Panics
    /// When `tag` does not fit into the bits that `T`'s alignment leaves free (at least three).
    pub fn with_tag(self, tag: usize) -> Self {
        assert!(tag <= Block::<T>::TAG_MASK, "tag {tag} exceeds {}", Block::<T>::TAG_MASK);
        Shared { ptr: self.untagged().map_addr(|addr| addr | tag), guard: PhantomData }
    }

    /// The value.
    ///
    /// # Safety
    /// Not null, and reached as the crate's contract of a load says.
    pub unsafe fn deref(self) -> &'g T {
        // SAFETY: allocated while the guard lives, by the caller's promise and the collector's.
        unsafe { &(*self.untagged()).value }
    }

    /// The value, or `None` when null.
    ///
    /// # Safety
    /// As [`deref`](Shared::deref).
    pub unsafe fn as_ref(self) -> Option<&'g T> {
        if self.is_null() {
            return None;
        }
        // SAFETY: as the caller promises.
        Some(unsafe { self.deref() })
    }

    /// Hands the node over to be reclaimed. Null is fine and does nothing.
    ///
    /// # Safety
    /// It has been unlinked from everywhere, it is retired once, and `T` may be dropped on any thread.
    pub unsafe fn retire(self, guard: &Guard<'_>) {
        let ptr = self.untagged();
        if ptr.is_null() {
            return;
        }
        // SAFETY: not null, and allocated until it is reclaimed.
        let birth = unsafe { (*ptr).birth };
        // SAFETY: the caller's promise; the block was made by `Owned::new`.
        unsafe { guard.retire(ptr.cast(), birth, size_of::<Block<T>>(), reclaim_block::<T>) };
    }
}

impl<T> fmt::Debug for Shared<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({:p}, tag {})", self.untagged(), self.tag())
    }
}

pub(crate) struct RawShared<T>(*mut Block<T>);

/// A pointer that came out of a failed CAS: it may be compared, but not followed before the lease has been tested.
pub struct Unprotected<T> {
    ptr: *mut Block<T>,
}

impl<T> Unprotected<T> {
    /// Tests the lease; inside it the pointer is protected like a loaded one (from a root, or a link whose node was protected).
    ///
    /// # Errors
    /// [`Expired`]: restart from the root.
    pub fn protected<'g>(self, guard: &'g Guard<'_>) -> Result<Shared<'g, T>, Expired> {
        guard.still_valid()?;
        Ok(Shared { ptr: self.ptr, guard: PhantomData })
    }
}

/// A place that holds a pointer to a `T`.
pub struct Atomic<T> {
    ptr: AtomicPtr<Block<T>>,
}

// SAFETY: hands out references to `T` on every thread and may drop it on any.
unsafe impl<T: Send + Sync> Send for Atomic<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Atomic<T> {}

impl<T> Default for Atomic<T> {
    fn default() -> Self {
        Atomic::null()
    }
}

impl<T> Atomic<T> {
    /// A place that holds `value`. Dropping the place does not reclaim what it holds.
    pub fn new(value: Owned<T>) -> Self {
        Atomic { ptr: AtomicPtr::new(value.into_ptr()) }
    }

    /// An empty place.
    pub fn null() -> Self {
        Atomic { ptr: AtomicPtr::new(std::ptr::null_mut()) }
    }

    #[inline(always)]
    pub(crate) fn load_raw(&self) -> RawShared<T> {
        // Acquire [load]: the node's contents come with the pointer.
        RawShared(self.ptr.load(Ordering::Acquire))
    }

    /// Stores `value` and returns what was there, which is thereby unlinked from here: typed as shared without a lifetime of a guard,
    /// since the caller, having removed it, is the one who retires it.
    pub fn swap<'g>(&self, value: Owned<T>, order: Ordering) -> Shared<'g, T> {
        // Release [publish]: or what the caller asked for.
        Shared { ptr: self.ptr.swap(value.into_ptr(), order), guard: PhantomData }
    }

    /// Empties the place and returns what was there.
    pub fn take<'g>(&self, order: Ordering) -> Shared<'g, T> {
        // Acquire [load]: or what the caller asked for.
        Shared { ptr: self.ptr.swap(std::ptr::null_mut(), order), guard: PhantomData }
    }

    /// Replaces `current` by `new`; on failure gives `new` back, with what was found, unprotected.
    ///
    /// # Errors
    /// The place held something else.
    pub fn compare_exchange_owned<'g>(
        &self,
        current: Shared<'_, T>,
        new: Owned<T>,
        guard: &'g Guard<'_>,
    ) -> Result<Shared<'g, T>, (Owned<T>, Unprotected<T>)> {
        let _ = guard;
        let new = new.into_ptr();
        // AcqRel [publish]: publishes the new node; Acquire [load] on failure: the value may become protected.
        match self.ptr.compare_exchange(current.ptr, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(Shared { ptr: new, guard: PhantomData }),
            Err(ptr) => {
                // SAFETY: made by `into_ptr` above and not published.
                let block = unsafe { Box::from_raw(new) };
                Err((Owned { block }, Unprotected { ptr }))
            }
        }
    }

    /// Replaces `current` by `new`, both already shared.
    ///
    /// # Errors
    /// The place held something else, given back unprotected.
    pub fn compare_exchange<'g>(
        &self,
        current: Shared<'_, T>,
        new: Shared<'g, T>,
    ) -> Result<Shared<'g, T>, Unprotected<T>> {
        // AcqRel [publish]: as above; Acquire [load] on failure: as above.
        match self.ptr.compare_exchange(current.ptr, new.ptr, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(new),
            Err(ptr) => Err(Unprotected { ptr }),
        }
    }

    /// Stores a shared pointer: for links of nodes that are not published yet.
    pub fn store(&self, value: Shared<'_, T>, order: Ordering) {
        // Release [publish]: or what the caller asked for.
        self.ptr.store(value.ptr, order);
    }
}

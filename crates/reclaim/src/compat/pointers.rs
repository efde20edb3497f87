//! [`Atomic`], [`Owned`], [`Shared`]: boxed values behind tagged pointers, as crossbeam-epoch has them.
//!
//! ```text
//! Owned ──into_shared, store──▶ Atomic ──load under a guard──▶ Shared ──defer_destroy──▶ dropped
//! ```
//! The bits that `T`'s alignment leaves free carry a tag; one that does not fit is cut off.
//!
//! Tags: `[caller]` the orderings are the caller's; `[own]` Relaxed load of a place that one has to oneself.

use crate::compat::Guard;
use alloc::boxed::Box;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use stillpoint_primitive::sync::atomic::{AtomicPtr, Ordering};

const fn tag_mask<T>() -> usize {
    align_of::<T>() - 1
}

fn tagged<T>(ptr: *mut T, tag: usize) -> *mut T {
    ptr.map_addr(|addr| (addr & !tag_mask::<T>()) | (tag & tag_mask::<T>()))
}

fn untagged<T>(ptr: *mut T) -> *mut T {
    ptr.wrapping_byte_sub(ptr.addr() & tag_mask::<T>())
}

/// [`Owned`] or [`Shared`]: what can be stored in an [`Atomic`].
pub trait Pointer<T>: sealed::Sealed {
    /// The pointer, with its tag; a value that was owned is from now on the pointer's holder's.
    fn into_ptr(self) -> *mut T;

    /// Back again.
    ///
    /// # Safety
    /// `ptr` is from `into_ptr` of the same type, and whatever it stood for still holds.
    unsafe fn from_ptr(ptr: *mut T) -> Self;
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for super::Owned<T> {}
    impl<T> Sealed for super::Shared<'_, T> {}
}

/// A boxed value of one's own, possibly tagged.
pub struct Owned<T> {
    ptr: *mut T,
    owns: PhantomData<Box<T>>,
}

// SAFETY: a box, by another name.
unsafe impl<T: Send> Send for Owned<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Owned<T> {}

impl<T> Owned<T> {
    /// Boxes `value`.
    pub fn new(value: T) -> Self {
        Owned::from(Box::new(value))
    }

    /// The value, under a guard: to be published, or linked to.
    pub fn into_shared<'g>(self, _: &'g Guard<'_>) -> Shared<'g, T> {
        Shared::from_raw_tagged(self.into_ptr())
    }

    /// As a box, without its tag.
    pub fn into_box(self) -> Box<T> {
        // SAFETY: made from a box, and given up here.
        unsafe { Box::from_raw(untagged(self.into_ptr())) }
    }

    /// Takes a box back that `Box::into_raw` gave away.
    ///
    /// # Safety
    /// `raw` is from `Box::into_raw`, and nobody else's.
    pub unsafe fn from_raw(raw: *mut T) -> Self {
        Owned { ptr: raw, owns: PhantomData }
    }

    /// The tag.
    pub fn tag(&self) -> usize {
        self.ptr.addr() & tag_mask::<T>()
    }

    /// The same value with another tag, as far as it fits.
    pub fn with_tag(self, tag: usize) -> Self {
        Owned { ptr: tagged(self.into_ptr(), tag), owns: PhantomData }
    }
}

impl<T> Pointer<T> for Owned<T> {
    fn into_ptr(self) -> *mut T {
        ManuallyDrop::new(self).ptr
    }
    unsafe fn from_ptr(ptr: *mut T) -> Self {
        Owned { ptr, owns: PhantomData }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: made from a box, and still ours.
        drop(unsafe { Box::from_raw(untagged(self.ptr)) });
    }
}

impl<T> Deref for Owned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: ours, and alive.
        unsafe { &*untagged(self.ptr) }
    }
}

impl<T> DerefMut for Owned<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: ours alone, and alive.
        unsafe { &mut *untagged(self.ptr) }
    }
}

impl<T> From<T> for Owned<T> {
    fn from(value: T) -> Self {
        Owned::new(value)
    }
}

impl<T> From<Box<T>> for Owned<T> {
    fn from(boxed: Box<T>) -> Self {
        Owned { ptr: Box::into_raw(boxed), owns: PhantomData }
    }
}

impl<T: fmt::Debug> fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Owned").field(&**self).finish()
    }
}

/// A pointer under a guard, possibly null, possibly tagged.
pub struct Shared<'g, T> {
    ptr: *mut T,
    guard: PhantomData<(&'g (), *const T)>,
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

impl<T> Default for Shared<'_, T> {
    fn default() -> Self {
        Shared::null()
    }
}

impl<T> From<*const T> for Shared<'_, T> {
    /// # Panics
    /// When `raw` is not aligned.
    fn from(raw: *const T) -> Self {
        assert!(raw.addr() & tag_mask::<T>() == 0, "{raw:p} is not aligned");
        Shared::from_raw_tagged(raw.cast_mut())
    }
}

impl<'g, T> Shared<'g, T> {
    fn from_raw_tagged(ptr: *mut T) -> Self {
        Shared { ptr, guard: PhantomData }
    }

    /// The null pointer.
    pub fn null() -> Self {
        Shared::from_raw_tagged(core::ptr::null_mut())
    }

    /// Whether it names nothing, whatever its tag.
    pub fn is_null(&self) -> bool {
        untagged(self.ptr).is_null()
    }

    /// The pointer, without its tag.
    pub fn as_raw(&self) -> *const T {
        untagged(self.ptr)
    }

    /// The tag.
    pub fn tag(&self) -> usize {
        self.ptr.addr() & tag_mask::<T>()
    }

    /// The same pointer with another tag, as far as it fits.
    #[must_use]
    pub fn with_tag(&self, tag: usize) -> Self {
        Shared::from_raw_tagged(tagged(self.ptr, tag))
    }

    /// The value.
    ///
    /// # Safety
    /// Not null; loaded under the guard while it could be reached, with at least Acquire or Consume; nobody writes to it.
    #[inline(always)]
    pub unsafe fn deref(&self) -> &'g T {
        // SAFETY: the caller's promise.
        unsafe { &*untagged(self.ptr) }
    }

    /// The value, to be written to.
    ///
    /// # Safety
    /// As [`deref`](Shared::deref), and nobody else looks at it.
    pub unsafe fn deref_mut(&mut self) -> &'g mut T {
        // SAFETY: the caller's promise.
        unsafe { &mut *untagged(self.ptr) }
    }

    /// The value, or `None` when null.
    ///
    /// # Safety
    /// As [`deref`](Shared::deref).
    #[inline(always)]
    pub unsafe fn as_ref(&self) -> Option<&'g T> {
        // SAFETY: the caller's promise.
        unsafe { untagged(self.ptr).as_ref() }
    }

    /// Takes the value over.
    ///
    /// # Safety
    /// Not null, and nobody else has it or will find it.
    pub unsafe fn into_owned(self) -> Owned<T> {
        debug_assert!(!self.is_null(), "into_owned of null");
        Owned { ptr: self.ptr, owns: PhantomData }
    }

    /// As [`into_owned`](Shared::into_owned); `None` when null.
    ///
    /// # Safety
    /// Nobody else has it or will find it.
    pub unsafe fn try_into_owned(self) -> Option<Owned<T>> {
        if self.is_null() {
            return None;
        }
        // SAFETY: the caller's promise.
        Some(unsafe { self.into_owned() })
    }
}

impl<T> Pointer<T> for Shared<'_, T> {
    fn into_ptr(self) -> *mut T {
        self.ptr
    }
    unsafe fn from_ptr(ptr: *mut T) -> Self {
        Shared::from_raw_tagged(ptr)
    }
}

impl<T> fmt::Debug for Shared<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({:p}, tag {})", self.as_raw(), self.tag())
    }
}

/// What a failed [`Atomic::compare_exchange`] gives back.
pub struct CompareExchangeError<'g, T, P: Pointer<T>> {
    /// What the place held; under plain epochs protected like anything loaded.
    pub current: Shared<'g, T>,
    /// What was to be stored.
    pub new: P,
}

impl<T, P: Pointer<T>> fmt::Debug for CompareExchangeError<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompareExchangeError")
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

/// A place that holds a pointer to a `T`. Dropping the place does not drop what it holds.
pub struct Atomic<T> {
    ptr: AtomicPtr<T>,
}

// SAFETY: hands out references to `T` on every thread and may drop it on any.
unsafe impl<T: Send + Sync> Send for Atomic<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Atomic<T> {}

impl<T> Atomic<T> {
    /// A place that holds `value`, boxed.
    pub fn new(value: T) -> Self {
        Atomic::from(Owned::new(value))
    }

    /// An empty place.
    pub fn null() -> Self {
        Atomic { ptr: AtomicPtr::new(core::ptr::null_mut()) }
    }

    /// Loads the pointer.
    ///
    /// # Progress
    /// Wait-free.
    #[inline(always)]
    pub fn load<'g>(&self, order: Ordering, _: &'g Guard<'_>) -> Shared<'g, T> {
        Shared::from_raw_tagged(self.ptr.load(order))
    }

    /// Stores a pointer; what was there is not dropped.
    ///
    /// # Progress
    /// Wait-free.
    pub fn store<P: Pointer<T>>(&self, new: P, order: Ordering) {
        self.ptr.store(new.into_ptr(), order);
    }

    /// Stores a pointer and returns what was there.
    ///
    /// # Progress
    /// Wait-free.
    pub fn swap<'g, P: Pointer<T>>(
        &self,
        new: P,
        order: Ordering,
        _: &'g Guard<'_>,
    ) -> Shared<'g, T> {
        Shared::from_raw_tagged(self.ptr.swap(new.into_ptr(), order))
    }

    /// Stores `new` if the place holds `current`, and returns `new` as shared.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Errors
    /// The place held something else: it, and `new`.
    pub fn compare_exchange<'g, P: Pointer<T>>(
        &self,
        current: Shared<'_, T>,
        new: P,
        success: Ordering,
        failure: Ordering,
        _: &'g Guard<'_>,
    ) -> Result<Shared<'g, T>, CompareExchangeError<'g, T, P>> {
        let new = new.into_ptr();
        match self.ptr.compare_exchange(current.ptr, new, success, failure) {
            Ok(_) => Ok(Shared::from_raw_tagged(new)),
            Err(found) => {
                // SAFETY: from `into_ptr` above, and not stored.
                let new = unsafe { P::from_ptr(new) };
                Err(CompareExchangeError { current: Shared::from_raw_tagged(found), new })
            }
        }
    }

    /// As [`compare_exchange`](Atomic::compare_exchange), but may fail without a reason.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Errors
    /// As [`compare_exchange`](Atomic::compare_exchange).
    pub fn compare_exchange_weak<'g, P: Pointer<T>>(
        &self,
        current: Shared<'_, T>,
        new: P,
        success: Ordering,
        failure: Ordering,
        guard: &'g Guard<'_>,
    ) -> Result<Shared<'g, T>, CompareExchangeError<'g, T, P>> {
        self.compare_exchange(current, new, success, failure, guard)
    }

    /// Replaces the pointer by what `f` makes of it, until nobody has come between.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// `f` gave `None`: the pointer it was asked about.
    pub fn fetch_update<'g>(
        &self,
        set: Ordering,
        fetch: Ordering,
        guard: &'g Guard<'_>,
        mut f: impl FnMut(Shared<'g, T>) -> Option<Shared<'g, T>>,
    ) -> Result<Shared<'g, T>, Shared<'g, T>> {
        let mut held = self.load(fetch, guard);
        while let Some(new) = f(held) {
            match self.compare_exchange(held, new, set, fetch, guard) {
                Ok(_) => return Ok(held),
                Err(error) => held = error.current,
            }
        }
        Err(held)
    }

    /// Ors `tag` into the tag; returns what was there.
    ///
    /// # Progress
    /// Lock-free.
    pub fn fetch_or<'g>(&self, tag: usize, order: Ordering, guard: &'g Guard<'_>) -> Shared<'g, T> {
        self.update_tag(order, guard, |held| held | tag)
    }

    /// Ands `tag` into the tag; returns what was there.
    ///
    /// # Progress
    /// Lock-free.
    pub fn fetch_and<'g>(
        &self,
        tag: usize,
        order: Ordering,
        guard: &'g Guard<'_>,
    ) -> Shared<'g, T> {
        self.update_tag(order, guard, |held| held & tag)
    }

    /// Xors `tag` into the tag; returns what was there.
    ///
    /// # Progress
    /// Lock-free.
    pub fn fetch_xor<'g>(
        &self,
        tag: usize,
        order: Ordering,
        guard: &'g Guard<'_>,
    ) -> Shared<'g, T> {
        self.update_tag(order, guard, |held| held ^ tag)
    }

    fn update_tag<'g>(
        &self,
        order: Ordering,
        guard: &'g Guard<'_>,
        f: impl Fn(usize) -> usize,
    ) -> Shared<'g, T> {
        // SeqCst [caller]: if that was asked for; else Acquire [caller]: what is found may be looked at.
        let fetch = if order == Ordering::SeqCst { Ordering::SeqCst } else { Ordering::Acquire };
        let updated =
            self.fetch_update(order, fetch, guard, |held| Some(held.with_tag(f(held.tag()))));
        updated.unwrap_or_else(|held| held)
    }

    /// Takes over what the place holds.
    ///
    /// # Safety
    /// Not null, and nobody else has it.
    pub unsafe fn into_owned(self) -> Owned<T> {
        // Relaxed [own]: the place is ours alone.
        let held = Shared::from_raw_tagged(self.ptr.load(Ordering::Relaxed));
        // SAFETY: the caller's promise.
        unsafe { held.into_owned() }
    }

    /// As [`into_owned`](Atomic::into_owned); `None` when null.
    ///
    /// # Safety
    /// Nobody else has what it holds.
    pub unsafe fn try_into_owned(self) -> Option<Owned<T>> {
        // Relaxed [own]: the place is ours alone.
        let held = Shared::from_raw_tagged(self.ptr.load(Ordering::Relaxed));
        // SAFETY: the caller's promise.
        unsafe { held.try_into_owned() }
    }
}

impl<T> Default for Atomic<T> {
    fn default() -> Self {
        Atomic::null()
    }
}

impl<T> From<Owned<T>> for Atomic<T> {
    fn from(owned: Owned<T>) -> Self {
        Atomic { ptr: AtomicPtr::new(owned.into_ptr()) }
    }
}

impl<T> From<T> for Atomic<T> {
    fn from(value: T) -> Self {
        Atomic::new(value)
    }
}

impl<T> From<Box<T>> for Atomic<T> {
    fn from(boxed: Box<T>) -> Self {
        Atomic::from(Owned::from(boxed))
    }
}

impl<'g, T> From<Shared<'g, T>> for Atomic<T> {
    fn from(shared: Shared<'g, T>) -> Self {
        Atomic { ptr: AtomicPtr::new(shared.ptr) }
    }
}

impl<T> fmt::Debug for Atomic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Relaxed [own]: for people.
        let held = Shared::<T>::from_raw_tagged(self.ptr.load(Ordering::Relaxed));
        f.debug_tuple("Atomic").field(&held).finish()
    }
}

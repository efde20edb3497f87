//! Typed pointers: [`Atomic`] (a place), [`Owned`] (not published yet), [`Shared`] (loaded under a guard), [`Unprotected`] (not
//! known to be protected). The same for all schemes.
//!
//! The block behind them is `{ header, value }`, see [`node`](crate::node). The low bits that the block's alignment leaves free (three or
//! more) carry a tag.
//!
//! Tags: `[publish]` what makes a node reachable is at least Release; `[load]` what fetches a pointer is at least Acquire.

use crate::leased::{Expired, Guard};
use crate::node::{AllocError, Block, Header, Heap, NodeAlloc};
use crate::scheme::Protect;
use alloc::alloc::{Layout, handle_alloc_error};
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use stillpoint_primitive::sync::atomic::{AtomicPtr, Ordering};

/// A value of one's own with its header, ready to be published; its memory is from an `A`.
pub struct Owned<T, A: NodeAlloc = Heap> {
    block: NonNull<Block<T>>,
    owns: PhantomData<(Block<T>, A)>,
}

// SAFETY: owns a `T` and nothing else.
unsafe impl<T: Send, A: NodeAlloc> Send for Owned<T, A> {}
// SAFETY: gives out `&T` only.
unsafe impl<T: Sync, A: NodeAlloc> Sync for Owned<T, A> {}

impl<T> Owned<T> {
    /// Allocates `value` on the heap, born under `guard`.
    ///
    /// # Cost
    /// One allocation of `size_of::<T>() + 8` bytes.
    #[inline]
    pub fn new(guard: &impl Protect, value: T) -> Self {
        Owned::new_in(guard, value, &Heap)
    }
}

impl<T, A: NodeAlloc> Owned<T, A> {
    /// As [`new`](Owned::new), in memory of `alloc`. Without memory the program ends, as with `Box`. A value aligned to more than
    /// [`alloc` gives](NodeAlloc::MAX_ALIGN) does not compile.
    #[inline]
    pub fn new_in(guard: &impl Protect, value: T, alloc: &A) -> Self {
        match Owned::try_new_in(guard, value, alloc) {
            Ok(owned) => owned,
            Err(_) => handle_alloc_error(Layout::new::<Block<T>>()),
        }
    }

    /// As [`new_in`](Owned::new_in).
    ///
    /// # Errors
    /// [`AllocError`], and the value: there is no memory.
    #[inline]
    pub fn try_new_in(guard: &impl Protect, value: T, alloc: &A) -> Result<Self, (AllocError, T)> {
        const {
            assert!(
                align_of::<Block<T>>() <= A::MAX_ALIGN,
                "the value is aligned to more than its allocator gives"
            )
        };
        let block: NonNull<Block<T>> = match alloc.alloc(Layout::new::<Block<T>>()) {
            Ok(block) => block.cast(),
            Err(error) => return Err((error, value)),
        };
        let header = Header::new(guard.header());
        // SAFETY: allocated just now, with room for a block.
        unsafe { block.write(Block { header, value }) };
        Ok(Owned { block, owns: PhantomData })
    }

    /// Takes the value out; the memory goes back.
    pub fn into_value(self) -> T {
        let block = ManuallyDrop::new(self).block;
        // SAFETY: ours alone; nobody drops the value in the block any more.
        let Block { value, .. } = unsafe { block.read() };
        // SAFETY: made by `try_new_in` from an `A`, with this layout.
        unsafe { A::free(block.cast(), Layout::new::<Block<T>>()) };
        value
    }

    fn into_ptr(self) -> *mut Block<T> {
        ManuallyDrop::new(self).block.as_ptr()
    }
}

impl<T, A: NodeAlloc> Drop for Owned<T, A> {
    fn drop(&mut self) {
        // SAFETY: ours alone, made by `try_new_in` from an `A`.
        unsafe { Block::<T>::reclaim::<A>(self.block.as_ptr().cast()) };
    }
}

impl<T, A: NodeAlloc> Deref for Owned<T, A> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: ours alone, and alive.
        let block = unsafe { self.block.as_ref() };
        &block.value
    }
}

impl<T, A: NodeAlloc> DerefMut for Owned<T, A> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: ours alone, alive, and not published.
        let block = unsafe { self.block.as_mut() };
        &mut block.value
    }
}

impl<T: fmt::Debug, A: NodeAlloc> fmt::Debug for Owned<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Owned").field(&**self).finish()
    }
}

/// A pointer loaded under a guard, possibly null, possibly tagged. What it names stays allocated while the guard (on a scheme that
/// protects per pointer: the slot) protects it.
pub struct Shared<'g, T> {
    ptr: *mut Block<T>,
    guard: PhantomData<&'g ()>,
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
    #[inline(always)]
    fn from_ptr(ptr: *mut Block<T>) -> Self {
        Shared { ptr, guard: PhantomData }
    }

    /// The null pointer.
    pub fn null() -> Self {
        Shared::from_ptr(core::ptr::null_mut())
    }

    #[inline(always)]
    pub(crate) fn untagged(self) -> *mut Block<T> {
        // One step, a mask, between a link's load and the next one, which waits for it. By `map_addr` it compiled to three: mask, difference, sum.
        self.ptr.wrapping_byte_sub(self.ptr.addr() & Block::<T>::TAG_MASK)
    }

    /// Whether it names nothing, whatever its tag.
    #[inline(always)]
    pub fn is_null(self) -> bool {
        self.untagged().is_null()
    }

    /// The tag.
    #[inline(always)]
    pub fn tag(self) -> usize {
        self.ptr.addr() & Block::<T>::TAG_MASK
    }

    /// The same pointer with another tag.
    ///
    /// # Panics
    /// When `tag` does not fit into the bits that the block's alignment leaves free (at least three).
    #[inline(always)]
    pub fn with_tag(self, tag: usize) -> Self {
        Shared::from_ptr(tagged(self.ptr, tag))
    }

    /// The same pointer, for a comparison that needs no protection.
    #[inline(always)]
    pub fn unprotected(self) -> Unprotected<T> {
        Unprotected { ptr: self.ptr }
    }

    /// The value.
    ///
    /// # Safety
    /// Not null, and still protected: by the rules in [`scheme`](crate::Scheme), or for `leased` by the contract of a load. The node was
    /// published with at least Release, and what came out of a [`swap`](Atomic::swap) or [`take`](Atomic::take) was asked for with at least
    /// Acquire.
    #[inline(always)]
    pub unsafe fn deref(self) -> &'g T {
        // SAFETY: allocated while it is protected, by the caller's promise and the collector's.
        unsafe { &(*self.untagged()).value }
    }

    /// The value, or `None` when null.
    ///
    /// # Safety
    /// As [`deref`](Shared::deref).
    #[inline(always)]
    pub unsafe fn as_ref(self) -> Option<&'g T> {
        if self.is_null() {
            return None;
        }
        // SAFETY: as the caller promises.
        Some(unsafe { self.deref() })
    }

    /// The value's place, for those who move it out. Null when the pointer is.
    #[inline(always)]
    pub fn as_ptr(self) -> *mut T {
        let block = self.untagged();
        if block.is_null() {
            return core::ptr::null_mut();
        }
        block.map_addr(|addr| addr + core::mem::offset_of!(Block<T>, value)).cast()
    }

    /// Where the node lies, untagged: what it will be retired as.
    #[inline(always)]
    pub(crate) fn node(self) -> *mut u8 {
        self.untagged().cast()
    }

    /// Hands a node from the heap over to be reclaimed. Null is fine and does nothing.
    ///
    /// # Safety
    /// As [`retire_in`](Shared::retire_in).
    #[inline]
    pub unsafe fn retire<G: Protect>(self, guard: &G) {
        // SAFETY: the caller's promise.
        unsafe { self.retire_in::<Heap, G>(guard) };
    }

    /// Hands a node whose memory is from an `A` over to be reclaimed. Null is fine and does nothing.
    ///
    /// # Safety
    /// It has been unlinked from everywhere, it is retired once, to the collector under whose guard it was made, `T` may be dropped on
    /// any thread, and what is not `'static` in it outlives the collector. It is still protected, or nobody else can retire it.
    #[inline]
    pub unsafe fn retire_in<A: NodeAlloc, G: Protect>(self, guard: &G) {
        // SAFETY: the caller's promise; the block was made by `Owned::try_new_in` from an `A`.
        unsafe { self.retire_with(guard, Block::<T>::reclaim::<A>) };
    }

    /// Hands the node over, to be given to `reclaim`. Null is fine and does nothing.
    ///
    /// # Safety
    /// As [`retire_in`](Shared::retire_in), and `reclaim` takes such a block.
    #[inline]
    pub(crate) unsafe fn retire_with<G: Protect>(self, guard: &G, reclaim: unsafe fn(*mut u8)) {
        let ptr = self.untagged();
        if ptr.is_null() {
            return;
        }
        // SAFETY: not null, and allocated until it is reclaimed.
        let header = unsafe { &(*ptr).header };
        // SAFETY: the caller's promise.
        unsafe { guard.retire_node(ptr.cast(), header, size_of::<Block<T>>(), reclaim) };
    }

    /// Takes a node back that was never published, or that nobody else can reach any more.
    ///
    /// # Safety
    /// Not null, ours alone, from an `A`, and not retired.
    pub unsafe fn into_owned<A: NodeAlloc>(self) -> Owned<T, A> {
        let block = NonNull::new(self.untagged()).expect("the caller promises a node");
        Owned { block, owns: PhantomData }
    }
}

fn tagged<T>(ptr: *mut Block<T>, tag: usize) -> *mut Block<T> {
    assert!(tag <= Block::<T>::TAG_MASK, "tag {tag} exceeds {}", Block::<T>::TAG_MASK);
    ptr.map_addr(|addr| (addr & !Block::<T>::TAG_MASK) | tag)
}

impl<T> fmt::Debug for Shared<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({:p}, tag {})", self.untagged(), self.tag())
    }
}

/// A pointer that came out of a failed CAS or a bare load: it may be compared and stored, but not followed before it is
/// [confirmed](Protect::confirm).
pub struct Unprotected<T> {
    ptr: *mut Block<T>,
}

impl<T> Clone for Unprotected<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Unprotected<T> {}

impl<T> PartialEq for Unprotected<T> {
    fn eq(&self, other: &Self) -> bool {
        self.ptr == other.ptr
    }
}
impl<T> Eq for Unprotected<T> {}

impl<T> Unprotected<T> {
    /// Tests the lease of leased epochs; inside it the pointer is protected like a loaded one (from a root, or a link whose node was
    /// protected), if it was loaded under this very guard, and since its last renewal: the test cannot tell.
    ///
    /// # Errors
    /// [`Expired`]: restart from the root.
    #[inline(always)]
    pub fn protected<'g>(self, guard: &'g Guard<'_>) -> Result<Shared<'g, T>, Expired> {
        guard.still_valid()?;
        Ok(self.assume_protected())
    }

    /// For a scheme that knows it to be protected.
    #[inline(always)]
    pub(crate) fn assume_protected<'g>(self) -> Shared<'g, T> {
        Shared::from_ptr(self.ptr)
    }

    /// Whether it names nothing, whatever its tag.
    pub fn is_null(self) -> bool {
        self.assume_protected().is_null()
    }

    /// The tag.
    pub fn tag(self) -> usize {
        self.assume_protected().tag()
    }

    /// The same pointer with another tag.
    ///
    /// # Panics
    /// As [`Shared::with_tag`].
    pub fn with_tag(self, tag: usize) -> Self {
        Unprotected { ptr: tagged(self.ptr, tag) }
    }
}

impl<T> fmt::Debug for Unprotected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unprotected({:p})", self.ptr)
    }
}

/// What a failed [`Atomic::compare_exchange_owned`] gives back.
#[derive(Debug)]
pub struct Refused<T, A: NodeAlloc = Heap> {
    /// The node that was to be published.
    pub new: Owned<T, A>,
    /// What the place held instead.
    pub found: Unprotected<T>,
}

/// A place that holds a pointer to a `T`. Dropping the place does not reclaim what it holds.
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
    /// A place that holds `value`.
    pub fn new<A: NodeAlloc>(value: Owned<T, A>) -> Self {
        Atomic { ptr: AtomicPtr::new(value.into_ptr()) }
    }

    /// An empty place.
    pub fn null() -> Self {
        Atomic { ptr: AtomicPtr::new(core::ptr::null_mut()) }
    }

    /// Loads, for a scheme that finds out afterwards whether the result is protected.
    #[inline(always)]
    pub(crate) fn load_acquire<'g>(&self) -> Shared<'g, T> {
        // Acquire [load]: the node's contents come with the pointer.
        Shared::from_ptr(self.ptr.load(Ordering::Acquire))
    }

    /// Loads without protection: to compare, or to store elsewhere.
    ///
    /// # Progress
    /// Wait-free.
    #[inline(always)]
    pub fn load_unprotected(&self) -> Unprotected<T> {
        self.load_acquire().unprotected()
    }

    /// Loads from a place of one's own: in a node that is not published, or in a structure that is being dropped.
    pub fn load_exclusive(&mut self) -> Shared<'_, T> {
        self.load_acquire()
    }

    /// Empties a place of one's own and takes over what it held: how a structure is dropped.
    ///
    /// # Safety
    /// What the place holds is reached from nowhere else, has not been retired, and is from an `A`.
    pub unsafe fn take_owned<A: NodeAlloc>(&mut self) -> Option<Owned<T, A>> {
        let held = self.load_exclusive();
        if held.is_null() {
            return None;
        }
        // SAFETY: the caller's promise; not null.
        let owned = unsafe { held.into_owned() };
        *self = Atomic::null();
        Some(owned)
    }

    /// Stores `value` and returns what was there, which is thereby unlinked from here: typed as shared without a lifetime of a guard,
    /// since the caller, having removed it, is the one who retires it. (On a scheme that protects per pointer it is not protected.)
    ///
    /// # Progress
    /// Wait-free.
    pub fn swap<'g, A: NodeAlloc>(&self, value: Owned<T, A>, order: Ordering) -> Shared<'g, T> {
        // Release [publish]: or what the caller asked for.
        Shared::from_ptr(self.ptr.swap(value.into_ptr(), order))
    }

    /// Empties the place and returns what was there.
    ///
    /// # Progress
    /// Wait-free.
    pub fn take<'g>(&self, order: Ordering) -> Shared<'g, T> {
        // Acquire [load]: or what the caller asked for.
        Shared::from_ptr(self.ptr.swap(core::ptr::null_mut(), order))
    }

    /// Replaces `current` by `new`; on failure gives `new` back, with what was found, unprotected. On success `new` comes back as
    /// shared: covered by the guard, but on a scheme that protects per pointer to be looked at only as an address.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Errors
    /// The place held something else.
    pub fn compare_exchange_owned<'g, A: NodeAlloc, G: Protect>(
        &self,
        current: Shared<'_, T>,
        new: Owned<T, A>,
        guard: &'g G,
    ) -> Result<Shared<'g, T>, Refused<T, A>> {
        let _ = guard;
        let new = new.into_ptr();
        // AcqRel [publish]: publishes the new node; Acquire [load] on failure: the value may become protected.
        match self.ptr.compare_exchange(current.ptr, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(Shared::from_ptr(new)),
            Err(ptr) => {
                // SAFETY: it is the owned node from above, and was not published.
                let new = unsafe { Shared::from_ptr(new).into_owned() };
                Err(Refused { new, found: Unprotected { ptr } })
            }
        }
    }

    /// Replaces `current` by `new`, both already shared.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Errors
    /// The place held something else, given back unprotected.
    pub fn compare_exchange<'g>(
        &self,
        current: Shared<'_, T>,
        new: Shared<'g, T>,
    ) -> Result<Shared<'g, T>, Unprotected<T>> {
        self.compare_exchange_unprotected(current, new.unprotected()).map(|()| new)
    }

    /// Replaces `current` by a pointer that need not be protected.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Errors
    /// As [`compare_exchange`](Atomic::compare_exchange).
    #[inline(always)]
    pub fn compare_exchange_unprotected(
        &self,
        current: Shared<'_, T>,
        new: Unprotected<T>,
    ) -> Result<(), Unprotected<T>> {
        // AcqRel [publish]: as above; Acquire [load] on failure: as above.
        match self.ptr.compare_exchange(current.ptr, new.ptr, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(()),
            Err(ptr) => Err(Unprotected { ptr }),
        }
    }

    /// Stores a shared pointer: for links of nodes that are not published yet.
    ///
    /// # Progress
    /// Wait-free.
    pub fn store(&self, value: Shared<'_, T>, order: Ordering) {
        // Release [publish]: or what the caller asked for.
        self.ptr.store(value.ptr, order);
    }
}

impl<T> fmt::Debug for Atomic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Atomic({:?})", self.load_unprotected())
    }
}

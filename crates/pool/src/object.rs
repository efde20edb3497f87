//! [`PoolBox`]: a `Box` whose memory comes from a pool; [`ObjectPool`]: a pool of one type.
//!
//! A box holds nothing but a pointer: its block finds the pool by itself. Types without size take no block.

use crate::pool::{AllocError, Pool};
use crate::slab::BLOCK_ALIGN;
use std::alloc::{Layout, handle_alloc_error};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// An owned value in a block of a [`Pool`]; dropping it drops the value and gives the block back, on any thread, before or after the pool's
/// last handle has gone. `Send` and `Sync` as the value is.
///
/// A type aligned to more than 64 does not compile:
/// ```compile_fail
/// #[repr(align(128))]
/// struct Wide(u8);
/// let pool = stillpoint_pool::Pool::new();
/// let _ = stillpoint_pool::PoolBox::new_in(Wide(1), &pool);
/// ```
///
/// # Examples
/// ```
/// use stillpoint_pool::{Pool, PoolBox};
///
/// let pool = Pool::new();
/// let mut word = PoolBox::new_in([1u64, 2, 3], &pool);
/// word[1] = 7;
/// assert_eq!(*word, [1, 7, 3]);
/// assert_eq!(PoolBox::into_inner(word), [1, 7, 3]);
/// ```
pub struct PoolBox<T> {
    value: NonNull<T>,
    owns: PhantomData<T>,
}

// SAFETY: owns a `T` and nothing else; blocks may change threads.
unsafe impl<T: Send> Send for PoolBox<T> {}
// SAFETY: gives out `&T` only.
unsafe impl<T: Sync> Sync for PoolBox<T> {}

impl<T> PoolBox<T> {
    /// Moves `value` into a block of `pool`. Without memory the program ends, as with `Box`.
    ///
    /// # Progress
    /// As [`Pool::alloc`].
    ///
    /// # Cost
    /// `Pool::block_bytes(size_of::<T>())` bytes.
    #[inline]
    pub fn new_in(value: T, pool: &Pool) -> Self {
        match Self::try_new_in(value, pool) {
            Ok(made) => made,
            Err(_) => handle_alloc_error(Layout::new::<T>()),
        }
    }

    /// As [`new_in`](PoolBox::new_in).
    ///
    /// # Progress
    /// As [`Pool::alloc`].
    ///
    /// # Errors
    /// [`AllocError`], and the value: there is no memory.
    #[inline]
    pub fn try_new_in(value: T, pool: &Pool) -> Result<Self, (AllocError, T)> {
        const { assert!(align_of::<T>() <= BLOCK_ALIGN, "blocks are aligned to 64 at most") }
        let place = if size_of::<T>() == 0 {
            NonNull::dangling()
        } else {
            match pool.alloc(size_of::<T>()) {
                Ok(block) => block.cast(),
                Err(error) => return Err((error, value)),
            }
        };
        // SAFETY: ours, large enough, and aligned: a type's size is a multiple of its alignment.
        unsafe { place.write(value) };
        Ok(PoolBox { value: place, owns: PhantomData })
    }

    /// Takes the value out; the block goes back.
    ///
    /// # Progress
    /// As [`Pool::alloc`].
    pub fn into_inner(boxed: Self) -> T {
        let place = Self::into_raw(boxed);
        // SAFETY: ours alone, and nobody drops it in its place any more.
        let value = unsafe { place.read() };
        // SAFETY: the box's block, freed once.
        unsafe { free(place) };
        value
    }

    /// The value's place, which from now on the caller owns.
    ///
    /// # Progress
    /// Wait-free.
    pub fn into_raw(boxed: Self) -> NonNull<T> {
        ManuallyDrop::new(boxed).value
    }

    /// The box that [`into_raw`](PoolBox::into_raw) took apart.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Safety
    /// `value` came from [`into_raw`](PoolBox::into_raw), holds a value, and becomes a box once.
    pub unsafe fn from_raw(value: NonNull<T>) -> Self {
        PoolBox { value, owns: PhantomData }
    }
}

/// # Safety
/// `place` is that of a box that is gone; once.
unsafe fn free<T>(place: NonNull<T>) {
    if size_of::<T>() != 0 {
        // SAFETY: the caller's promise; the block came from a pool.
        unsafe { Pool::free(place.cast()) };
    }
}

impl<T> Drop for PoolBox<T> {
    fn drop(&mut self) {
        /// Gives the block back even if the value's destructor panics.
        struct Block<T>(NonNull<T>);
        impl<T> Drop for Block<T> {
            fn drop(&mut self) {
                // SAFETY: the box's block, freed once.
                unsafe { free(self.0) };
            }
        }
        let block = Block(self.value);
        // SAFETY: ours alone, dropped once.
        unsafe { block.0.drop_in_place() };
    }
}

impl<T> Deref for PoolBox<T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: holds a value that is ours.
        unsafe { self.value.as_ref() }
    }
}

impl<T> DerefMut for PoolBox<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: holds a value that is ours alone.
        unsafe { self.value.as_mut() }
    }
}

impl<T: fmt::Debug> fmt::Debug for PoolBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A pool of objects of one type: a [`Pool`] that makes [`PoolBox`]es. A cheap handle, as the pool is.
///
/// # Examples
/// ```
/// use stillpoint_pool::ObjectPool;
///
/// let sessions = ObjectPool::<String>::new();
/// let session = sessions.make("first".to_owned());
/// assert_eq!(sessions.len(), 1);
/// // On another thread, or after the pool.
/// std::thread::spawn(move || drop(session)).join().unwrap();
/// assert!(sessions.is_empty());
/// ```
pub struct ObjectPool<T> {
    pool: Pool,
    makes: PhantomData<fn(T) -> T>,
}

impl<T> Default for ObjectPool<T> {
    fn default() -> Self {
        ObjectPool::new()
    }
}

impl<T> Clone for ObjectPool<T> {
    fn clone(&self) -> Self {
        ObjectPool::with_pool(self.pool.clone())
    }
}

impl<T> ObjectPool<T> {
    /// A pool of its own.
    ///
    /// # Cost
    /// That of a [`Pool`]: about 200 KB.
    pub fn new() -> Self {
        ObjectPool::with_pool(Pool::new())
    }

    /// Shares `pool` with others.
    pub fn with_pool(pool: Pool) -> Self {
        ObjectPool { pool, makes: PhantomData }
    }

    /// Where the memory comes from: its figures, trimming.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// A boxed value. Without memory the program ends, as with `Box`.
    ///
    /// # Progress
    /// As [`Pool::alloc`].
    #[inline]
    pub fn make(&self, value: T) -> PoolBox<T> {
        PoolBox::new_in(value, &self.pool)
    }

    /// As [`make`](ObjectPool::make).
    ///
    /// # Progress
    /// As [`Pool::alloc`].
    ///
    /// # Errors
    /// [`AllocError`], and the value: there is no memory.
    #[inline]
    pub fn try_make(&self, value: T) -> Result<PoolBox<T>, (AllocError, T)> {
        PoolBox::try_new_in(value, &self.pool)
    }

    /// Blocks of the pool in use: objects that have size, and whatever else shares the pool.
    ///
    /// # Cost
    /// As [`Pool::stats`].
    pub fn len(&self) -> usize {
        self.pool.stats().blocks as usize
    }

    /// Whether no block of the pool is in use.
    ///
    /// # Cost
    /// As [`Pool::stats`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> fmt::Debug for ObjectPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectPool").field("pool", &self.pool).finish()
    }
}

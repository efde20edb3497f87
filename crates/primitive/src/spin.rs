//! [`Mutex`]: what stands for `std`'s where there is no system that could put a thread to sleep.
//!
//! Held for a few instructions, and never by an interrupt handler: one that came while its own processor holds it would spin for ever.
//!
//! Tags: `[lock]` Acquire swap in `try_take` / Release store in the guard's drop: what one holder wrote is there for the next.

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, Ordering};

/// A lock with the interface of `std`'s, as far as it is used here. It is never poisoned.
#[derive(Default)]
pub struct Mutex<T> {
    locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: one thread at a time gets at the value.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// The lock could not be had.
#[derive(Debug)]
pub struct Refused<G>(core::convert::Infallible, core::marker::PhantomData<G>);

impl<G> Refused<G> {
    /// Never called: a lock that cannot be poisoned is never refused for it.
    pub fn into_inner(self) -> G {
        match self.0 {}
    }
}

impl<T> Mutex<T> {
    /// A lock around `value`.
    pub const fn new(value: T) -> Self {
        Mutex { locked: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Waits for the lock.
    ///
    /// # Progress
    /// Blocking.
    ///
    /// # Errors
    /// None.
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, Refused<MutexGuard<'_, T>>> {
        loop {
            if let Some(guard) = self.try_take() {
                return Ok(guard);
            }
            core::hint::spin_loop();
        }
    }

    fn try_take(&self) -> Option<MutexGuard<'_, T>> {
        // Acquire [lock]: see the header.
        let locked = self.locked.swap(true, Ordering::Acquire);
        // A guard is made only of a lock that was had: dropping it gives the lock back.
        (!locked).then(|| MutexGuard(self, PhantomData))
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

/// The lock, held.
pub struct MutexGuard<'m, T>(&'m Mutex<T>, PhantomData<*mut T>);

// SAFETY: gives `&T` to whoever has `&Self`, and nothing more.
unsafe impl<T: Sync> Sync for MutexGuard<'_, T> {}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the lock is ours.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is ours, and so is the guard.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        // Release [lock]: see the header.
        self.0.locked.store(false, Ordering::Release);
    }
}

//! [`Scoped`]: a collector whose nodes may borrow.
//!
//! A [`Collector`] is a handle; a clone of it anywhere keeps retired nodes, so whoever retires one that borrows has to promise that
//! the borrowed outlives *every* handle. A [`Scoped`] is the only handle there is, has no clone, and ends inside `'env`: the compiler keeps
//! that promise, and giving a value up to be dropped later is safe.

use crate::epoch::Epoch;
use crate::leased::builder::Builder;
use crate::leased::collector::Collector;
use crate::leased::guard::Guard;
use crate::leased::stats::Stats;
use alloc::boxed::Box;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

/// A collector of its own, whose nodes may refer to anything that outlives `'env`. Its drop reclaims whatever is left.
///
/// # Examples
/// Values that borrow, replaced under readers:
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use stillpoint_reclaim::leased::Scoped;
///
/// struct Counts<'a>(&'a AtomicU64);
/// impl Drop for Counts<'_> {
///     fn drop(&mut self) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// let drops = AtomicU64::new(0);
/// let scoped = Scoped::new();
/// scoped.pin().defer_drop(Counts(&drops));
/// scoped.pin().defer(|| _ = drops.fetch_add(10, Ordering::Relaxed));
/// drop(scoped);
/// assert_eq!(drops.load(Ordering::Relaxed), 11);
/// ```
/// What is borrowed has to be there until the collector is gone:
/// ```compile_fail,E0597
/// use stillpoint_reclaim::leased::Scoped;
///
/// let scoped = Scoped::new();
/// let text = String::from("dropped before `scoped`");
/// scoped.pin().defer(|| println!("{text}"));
/// ```
pub struct Scoped<'env> {
    collector: Collector,
    /// Invariant: were `'env` to shrink, something could be given up that does not last as long as the collector.
    env: PhantomData<&'env mut &'env ()>,
}

impl Scoped<'_> {
    /// A collector with the default settings.
    pub fn new() -> Self {
        Scoped::from_builder(Collector::builder())
    }

    /// A collector with these settings.
    pub fn from_builder(builder: Builder) -> Self {
        Scoped { collector: builder.build(), env: PhantomData }
    }

    /// As [`Collector::flush`].
    pub fn flush(&self) {
        self.collector.flush();
    }

    /// As [`Collector::stats`].
    pub fn stats(&self) -> Stats {
        self.collector.stats()
    }
}

impl<'env> Scoped<'env> {
    /// As [`Collector::pin`].
    #[inline]
    pub fn pin(&self) -> ScopedGuard<'_, 'env> {
        ScopedGuard { guard: self.collector.pin(), env: PhantomData }
    }

    /// As [`Collector::pin_classic`].
    pub fn pin_classic(&self) -> ScopedGuard<'_, 'env> {
        ScopedGuard { guard: self.collector.pin_classic(), env: PhantomData }
    }
}

impl Default for Scoped<'_> {
    fn default() -> Self {
        Scoped::new()
    }
}

impl Drop for Scoped<'_> {
    /// The collector's own end does everything. This one tells the compiler that `'env` is still needed then.
    fn drop(&mut self) {}
}

impl fmt::Debug for Scoped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scoped").field(&self.collector).finish()
    }
}

/// A [`Guard`] of a [`Scoped`] collector, to which it derefs.
#[derive(Debug)]
pub struct ScopedGuard<'c, 'env> {
    guard: Guard<'c>,
    env: PhantomData<&'env mut &'env ()>,
}

impl<'c> Deref for ScopedGuard<'c, '_> {
    type Target = Guard<'c>;
    fn deref(&self) -> &Guard<'c> {
        &self.guard
    }
}

impl<'env> ScopedGuard<'_, 'env> {
    /// As [`Guard::retire_box`]; that what `T` borrows outlives the collector is the compiler's care.
    ///
    /// # Progress
    /// As [`Guard::retire`].
    ///
    /// # Safety
    /// `ptr` comes from `Box::into_raw`, was reachable only through places from which it has been unlinked, and is retired once; `birth` is
    /// what [`Guard::birth`] gave before it was published, or earlier.
    pub unsafe fn retire_box<T: Send + 'env>(&self, ptr: *mut T, birth: Epoch) {
        // SAFETY: the caller's promise; `'env` outlives the only handle of the collector.
        unsafe { self.guard.retire_box(ptr, birth) };
    }

    /// Drops `value` once every reader that is pinned now has unpinned.
    ///
    /// # Progress
    /// As [`Guard::retire`].
    ///
    /// # Cost
    /// One allocation.
    pub fn defer_drop<T: Send + 'env>(&self, value: T) {
        let ptr = Box::into_raw(Box::new(value));
        // SAFETY: ours alone until now; birth zero is always early enough.
        unsafe { self.retire_box(ptr, Epoch::ZERO) };
    }

    /// Runs `f` once every reader that is pinned now has unpinned.
    ///
    /// # Progress
    /// As [`Guard::retire`].
    ///
    /// # Cost
    /// One allocation.
    pub fn defer<F: FnOnce() + Send + 'env>(&self, f: F) {
        /// Runs when it is dropped.
        struct Run<F: FnOnce()>(Option<F>);
        impl<F: FnOnce()> Drop for Run<F> {
            fn drop(&mut self) {
                if let Some(f) = self.0.take() {
                    f();
                }
            }
        }
        self.defer_drop(Run(Some(f)));
    }
}

//! crossbeam-epoch's names, where they cost nothing: for a structure that is to move without being rewritten.
//!
//! The guarantees are those of plain epochs: no load expires, and a stalled guard holds back everything retired after its pin. The rest is
//! this crate's: a pin is two stores, readers never collect, the drop of the last handle reclaims everything, and there are statistics, limits and
//! a background thread ([`Collector::leased`]). What it takes to go on from here is in the guide
//! [`from_crossbeam_epoch`](crate::guide::from_crossbeam_epoch).
//!
//! | crossbeam-epoch | here |
//! |---|---|
//! | `epoch::pin()` | [`Collector::pin`]: there is no process-wide collector, see below |
//! | `Collector::register`, `LocalHandle` | not needed: a collector knows its threads |
//! | [`Guard`], [`Atomic`], [`Owned`], [`Shared`], [`CompareExchangeError`], [`unprotected`] | the same names, arguments and meaning |
//! | `Atomic<[T]>`, `Pointable` | not there: `T` is sized |
//! | `is_pinned`, `default_collector` | not there: questions to the process-wide collector |
//!
//! **Which collector?** One a structure, in a field of it: then nothing that another structure does holds up this one's memory, and its end
//! reclaims everything. Where many structures are to share one, clone the handle, or put it in a `static` `LazyLock` of the program.
//! A default for each thread would be unsound: guards of one collector protect nothing from another, and threads share nodes.
//!
//! # Why no lease is tested
//! Nodes here have no birth: they count as born before every reservation ([`Epoch::ZERO`](crate::Epoch::ZERO)), so what is retired at or after a
//! guard's pin is held back by it, whatever its lease says. That is the epoch scheme; [`leased`] has the argument. Who retires
//! a node of a [`compat::Atomic`](Atomic) through [`Collector::leased`] has to give it that birth: with a later one it could be
//! reclaimed under a guard of this module, which never asks.
//!
//! # Examples
//! ```
//! use std::sync::atomic::Ordering;
//! use stillpoint_reclaim::compat::{Atomic, Collector, Owned};
//!
//! let collector = Collector::new();
//! let cell = Atomic::new(1);
//! let guard = &collector.pin();
//! let old = cell.swap(Owned::new(2), Ordering::AcqRel, guard);
//! // SAFETY: unlinked just now, by us alone.
//! unsafe { guard.defer_destroy(old) };
//! // SAFETY: loaded under `guard`, not null.
//! assert_eq!(unsafe { cell.load(Ordering::Acquire, guard).deref() }, &2);
//! # drop(unsafe { cell.into_owned() });
//! ```

mod pointers;

use crate::epoch::Epoch;
use crate::leased;
use alloc::boxed::Box;
use core::fmt;
pub use pointers::{Atomic, CompareExchangeError, Owned, Pointer, Shared};

/// A domain of reclamation, as in crossbeam-epoch; a cheap handle.
#[derive(Clone, Default)]
pub struct Collector {
    leased: leased::Collector,
}

impl Collector {
    /// A collector with the default settings.
    pub fn new() -> Self {
        Collector::default()
    }

    /// Pins the calling thread. Guards nest.
    ///
    /// # Progress
    /// Wait-free after the thread's first pin.
    ///
    /// # Cost
    /// Two stores to the thread's own line.
    #[inline]
    pub fn pin(&self) -> Guard<'_> {
        Guard { guard: Some(self.leased.pin()) }
    }

    /// The collector underneath: its figures, its background thread, and guards for the parts that have been rewritten.
    pub fn leased(&self) -> &leased::Collector {
        &self.leased
    }
}

impl From<leased::Collector> for Collector {
    fn from(leased: leased::Collector) -> Self {
        Collector { leased }
    }
}

impl PartialEq for Collector {
    fn eq(&self, other: &Self) -> bool {
        self.leased.is(&other.leased.inner)
    }
}

impl Eq for Collector {}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.leased.fmt(f)
    }
}

/// Keeps what is loaded under it allocated. Of one thread.
#[derive(Debug)]
pub struct Guard<'c> {
    /// `None`: the unprotected guard.
    guard: Option<leased::Guard<'c>>,
}

impl Guard<'_> {
    /// Runs `f` once every guard that is there now has gone; at once on the [`unprotected`] guard.
    ///
    /// # Progress
    /// As [`leased::Guard::retire`].
    ///
    /// # Cost
    /// One allocation.
    pub fn defer<F: FnOnce() -> R + Send + 'static, R>(&self, f: F) {
        match &self.guard {
            Some(guard) => guard.retire_fn(move || drop(f())),
            None => drop(f()),
        }
    }

    /// As [`defer`](Guard::defer), for what borrows or is not `Send`.
    ///
    /// # Progress
    /// As [`defer`](Guard::defer).
    ///
    /// # Safety
    /// `f` may run on any thread, as late as at the end of the collector.
    pub unsafe fn defer_unchecked<F: FnOnce() -> R, R>(&self, f: F) {
        unsafe fn call<F: FnOnce() -> R, R>(f: *mut u8) {
            // SAFETY: handed over below, as a box of an `F`.
            let f = unsafe { Box::from_raw(f.cast::<F>()) };
            drop(f());
        }
        let Some(guard) = &self.guard else {
            drop(f());
            return;
        };
        let ptr = Box::into_raw(Box::new(f)).cast();
        // SAFETY: ours alone; the caller's promise covers when and where it runs.
        unsafe { guard.retire(ptr, Epoch::ZERO, size_of::<F>(), call::<F, R>) };
    }

    /// Drops what `ptr` names once every guard that is there now has gone; at once on the [`unprotected`] guard.
    ///
    /// # Progress
    /// As [`leased::Guard::retire`].
    ///
    /// # Safety
    /// Not null; unlinked, so that no guard to come finds it; destroyed once; `T` may be dropped on any thread, as late as at the end of
    /// the collector.
    #[inline]
    pub unsafe fn defer_destroy<T>(&self, ptr: Shared<'_, T>) {
        match &self.guard {
            // SAFETY: the caller's promise; it was made from a box, and born before every guard.
            Some(guard) => unsafe { guard.retire_box(ptr.as_raw().cast_mut(), Epoch::ZERO) },
            // SAFETY: the caller's promise: nobody else has it.
            None => drop(unsafe { ptr.into_owned() }),
        }
    }

    /// Reclaims what can go. (In crossbeam-epoch: passes it on.)
    ///
    /// # Progress
    /// Blocking, see [`leased::Collector::flush`].
    pub fn flush(&self) {
        if let Some(guard) = &self.guard {
            guard.flush();
        }
    }

    /// Unpins and pins anew; nothing while another guard of this thread is there.
    ///
    /// # Progress
    /// Wait-free.
    pub fn repin(&mut self) {
        if let Some(guard) = &mut self.guard
            && guard.is_outermost()
        {
            guard.repin();
        }
    }

    /// Whether it is one of `collector`'s.
    pub fn is_from(&self, collector: &Collector) -> bool {
        self.guard.as_ref().is_some_and(|guard| guard.is_from(&collector.leased))
    }
}

/// A guard for a structure that is one's own: what is deferred on it happens at once.
///
/// # Safety
/// Nobody else uses what is loaded or destroyed under it.
///
/// # Examples
/// ```
/// use std::sync::atomic::Ordering;
/// use stillpoint_reclaim::compat::{Atomic, unprotected};
///
/// struct Slot(Atomic<String>);
/// impl Drop for Slot {
///     fn drop(&mut self) {
///         // SAFETY: `&mut self`: nobody else is there.
///         let guard = unsafe { unprotected() };
///         let last = self.0.load(Ordering::Relaxed, guard);
///         if !last.is_null() {
///             // SAFETY: as above.
///             unsafe { guard.defer_destroy(last) };
///         }
///     }
/// }
/// # drop(Slot(Atomic::new("last".into())));
/// ```
pub unsafe fn unprotected() -> &'static Guard<'static> {
    struct Nobody(Guard<'static>);
    // SAFETY: it has nothing inside that belongs to a thread.
    unsafe impl Sync for Nobody {}
    static NOBODY: Nobody = Nobody(Guard { guard: None });
    &NOBODY.0
}

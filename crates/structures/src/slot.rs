//! [`Slot`]: one value that many read and a few replace.
//!
//! ```text
//! Slot ─▶ Node (value)        load: one protected load of the place          store: swap in a new node, retire the old one
//! ```
//!
//! | operation | progress | cost |
//! |---|---|---|
//! | [`load`](Slot::load), [`read`](Slot::read) | wait-free | a load (and a pin) |
//! | [`load_full`](Slot::load_full) | wait-free | as above, and a shared addition |
//! | [`Cached::load`] | wait-free | a load, without a pin, while nobody stores |
//! | [`store`](Slot::store), [`swap`](Slot::swap) | wait-free, but for the allocator and the scheme's own retire | an allocation, a swap |
//! | [`compare_and_swap`](Slot::compare_and_swap) | as a load, and one CAS | an allocation, a CAS |
//! | [`update`](Slot::update) | lock-free | an allocation, a CAS an attempt |
//!
//! Readers write nothing that other threads read, and no store looks through the threads: that is the scheme's retire, once in
//! hundreds of them.
//!
//! # Invariants
//! 1. The place is never empty. A node's value does not change while it is shared.
//! 2. Whoever's swap or CAS takes a node off is the only one to retire it. Until then it may be read without protection by that one.
//!
//! A slot that may be empty is one of an `Option`: [`Slot::empty`], [`take`](Slot::take).
//!
//! Runs on every scheme; protects slot 0. [`load`](Slot::load) hands out a reference for the guard's length, which a scheme that protects
//! per pointer cannot do: there [`read`](Slot::read) looks at the value inside a closure.
//!
//! # Orderings
//! Those of [`Atomic`]. `[replace]`: a swap is AcqRel: Release for the new value, Acquire for the old one, which is read and dropped later.
//!
//! Source: the problem is arc-swap's (M. Vaner); the answer is reclamation.

mod cached;
mod optional;

pub use cached::Cached;

use crate::backoff::Backoff;
use std::fmt;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{
    Atomic, Collector, Countable, Counted, Heap, NodeAlloc, Owned, Protect, Restart, Scheme, Shared,
};

/// One value that many read and a few replace; see the [module's page](self).
///
/// # Examples
/// ```
/// use stillpoint_structures::Slot;
///
/// let config = Slot::new(String::from("v1"));
/// let guard = config.pin();
/// let seen = config.load(&guard);
/// config.store(String::from("v2"));
/// let kept = config.load_full(); // needs no guard
/// assert_eq!((seen.as_str(), kept.as_str()), ("v1", "v2"));
/// config.update(|old| format!("{old}+"));
/// assert!(config.read(|value| value == "v2+"));
/// ```
pub struct Slot<T: Send + Sync + 'static, S: Scheme = Collector, A: NodeAlloc = Heap> {
    place: Atomic<Countable<T>>,
    scheme: S,
    alloc: A,
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    mutation: crate::weakened::Weakened,
}

impl<T: Send + Sync + 'static> Slot<T> {
    /// A slot that holds `value`, with a collector of its own.
    ///
    /// # Cost
    /// 16 bytes and a node of the value and 16 bytes, beside the collector's.
    pub fn new(value: T) -> Self {
        Slot::with_scheme(value, Collector::new())
    }
}

impl<T: Send + Sync + 'static, S: Scheme> Slot<T, S> {
    /// A slot that holds `value`; `scheme` reclaims what is replaced.
    pub fn with_scheme(value: T, scheme: S) -> Self {
        Slot::in_alloc(value, scheme, Heap)
    }
}

impl<T: Send + Sync + 'static, S: Scheme, A: NodeAlloc> Slot<T, S, A> {
    /// A slot that holds `value`, with nodes from `alloc`; `scheme` reclaims what is replaced.
    pub fn in_alloc(value: T, scheme: S, alloc: A) -> Self {
        let place = Atomic::new(Owned::new_in(&scheme.pin(), Countable::new(value), &alloc));
        Slot {
            place,
            scheme,
            alloc,
            #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
            mutation: crate::weakened::Weakened::default(),
        }
    }

    /// The same with something left out.
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    #[doc(hidden)]
    pub fn weakened(mut self, mutation: crate::weakened::Weakened) -> Self {
        self.mutation = mutation;
        self
    }

    /// A guard to [`load`](Slot::load) under.
    ///
    /// # Progress
    /// Wait-free.
    #[inline]
    pub fn pin(&self) -> S::Guard<'_> {
        self.scheme.pin()
    }

    /// The scheme that reclaims what is replaced.
    pub fn scheme(&self) -> &S {
        &self.scheme
    }

    /// The value, as long as the guard is held. Does not compile for a scheme that protects per pointer: see [`read`](Slot::read).
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Panics
    /// When the guard is of another collector.
    #[inline]
    pub fn load<'g>(&'g self, guard: &'g S::Guard<'_>) -> &'g T {
        self.check(guard);
        let node = guard.insisting(|guard| guard.protect_root(0, &self.place));
        // SAFETY: protected by the guard, whatever it loads afterwards; never null.
        unsafe { node.deref() }
    }

    /// As [`load`](Slot::load), for guards that are held so long that they reach their collector's cap: `load` goes
    /// [past it](Protect::overdraw), this does not.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Errors
    /// [`Restart`] past the cap.
    ///
    /// # Panics
    /// When the guard is of another collector.
    #[inline]
    pub fn try_load<'g>(&'g self, guard: &'g S::Guard<'_>) -> Result<&'g T, Restart> {
        self.check(guard);
        let node = guard.retrying(|guard| guard.protect_root(0, &self.place))?;
        // SAFETY: protected by the guard, whatever it loads afterwards; never null.
        Ok(unsafe { node.deref() })
    }

    #[inline(always)]
    fn check(&self, guard: &S::Guard<'_>) {
        const {
            assert!(
                !S::PER_POINTER,
                "a guard that protects per pointer cannot keep a reference: use `read`"
            )
        };
        assert!(self.scheme.owns(guard), "the guard is of another collector than the slot");
    }

    /// Looks at the value.
    ///
    /// # Progress
    /// Wait-free (lock-free on a scheme that protects per pointer), then that of `look`.
    #[inline]
    pub fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        let mut look = Some(look);
        self.scheme.pin().complete(|guard| {
            let node = guard.protect_root(0, &self.place)?;
            let look = look.take().expect("an attempt that fails ends before");
            // SAFETY: protected by slot 0 of a guard that `look` cannot reach; never null.
            Ok(look(unsafe { node.deref() }))
        })
    }

    /// The value, counted: it may be kept without a guard, sent to other threads, and held across an `await`.
    ///
    /// # Progress
    /// As [`read`](Slot::read).
    ///
    /// # Cost
    /// An addition to a word beside the value, which all who do the same share, and a subtraction when it goes.
    pub fn load_full(&self) -> Counted<T, A> {
        self.scheme.pin().complete(|guard| {
            let node = guard.protect_root(0, &self.place)?;
            // SAFETY: protected by slot 0; never null; retired by `retire_counted` only.
            Ok(unsafe { node.promote() })
        })
    }

    /// A clone of the value.
    ///
    /// # Progress
    /// As [`read`](Slot::read).
    pub fn get_cloned(&self) -> T
    where
        T: Clone,
    {
        self.read(T::clone)
    }

    /// Replaces the value.
    ///
    /// # Progress
    /// Wait-free, but for the allocator and the scheme's retire.
    #[inline]
    pub fn store(&self, value: T) {
        self.swap_with(value, |_| ());
    }

    /// Replaces the value and returns the old one, counted: somebody may be looking at it still.
    ///
    /// # Progress
    /// As [`store`](Slot::store).
    pub fn swap(&self, value: T) -> Counted<T, A> {
        // SAFETY: the slot's reference is ours until `swap_node` retires the node, by `retire_counted`.
        self.swap_node(value, |old| unsafe { old.promote() })
    }

    /// Replaces the value and looks at the old one.
    ///
    /// # Progress
    /// As [`store`](Slot::store), then that of `look`.
    pub fn swap_with<R>(&self, value: T, look: impl FnOnce(&T) -> R) -> R {
        // SAFETY: invariant 2: not retired before `look` has ended.
        self.swap_node(value, |old| look(unsafe { old.deref() }))
    }

    fn swap_node<R>(&self, value: T, look: impl FnOnce(Shared<'_, Countable<T>>) -> R) -> R {
        let guard = self.scheme.pin();
        let new = Owned::new_in(&guard, Countable::new(value), &self.alloc);
        // AcqRel [replace]: see the header.
        let old = self.place.swap(new, Ordering::AcqRel);
        // Retires it when it goes.
        let replaced = Replaced { slot: self, old, guard: &guard };
        look(replaced.old)
    }

    /// Replaces the value if it is still the one that `current` was loaded as.
    ///
    /// # Progress
    /// Wait-free (lock-free on a scheme that protects per pointer), but for the allocator and the scheme's retire.
    ///
    /// # Errors
    /// `new`: the value has been replaced.
    ///
    /// # Examples
    /// ```
    /// let slot = stillpoint_structures::Slot::new(1);
    /// let guard = slot.pin();
    /// let seen = slot.load(&guard);
    /// assert_eq!(slot.compare_and_swap(seen, 2), Ok(()));
    /// assert_eq!(slot.compare_and_swap(seen, 3), Err(3));
    /// ```
    pub fn compare_and_swap(&self, current: &T, new: T) -> Result<(), T> {
        let mut new = Some(new);
        self.scheme.pin().complete(|guard| {
            let node = guard.protect_root(0, &self.place)?;
            let new = new.take().expect("an attempt that fails ends before");
            // A reference that is alive is to a value that is: no other value is at its address, so this is identity.
            // SAFETY: protected by slot 0; never null.
            let value: &T = unsafe { node.deref() };
            if !std::ptr::eq(value, current) {
                return Ok(Err(new));
            }
            let new = Owned::new_in(guard, Countable::new(new), &self.alloc);
            match self.place.compare_exchange_owned(node, new, guard) {
                Ok(_) => drop(Replaced { slot: self, old: node, guard }),
                Err(refused) => return Ok(Err(refused.new.into_value().into_inner())),
            }
            Ok(Ok(()))
        })
    }

    /// Replaces the value by what `make` makes of it; `make` runs again when another thread was faster.
    ///
    /// # Progress
    /// Lock-free.
    pub fn update(&self, mut make: impl FnMut(&T) -> T) {
        self.try_update(|old| Some(make(old)));
    }

    /// As [`update`](Slot::update), unless `make` makes nothing. Whether it was replaced.
    ///
    /// # Progress
    /// Lock-free.
    pub fn try_update(&self, mut make: impl FnMut(&T) -> Option<T>) -> bool {
        let mut spare: Option<Owned<Countable<T>, A>> = None;
        self.scheme.pin().complete(|guard| {
            let mut backoff = Backoff::default();
            loop {
                let node = guard.protect_root(0, &self.place)?;
                // SAFETY: protected by slot 0 of a guard that `make` cannot reach; never null.
                let Some(value) = make(unsafe { node.deref() }) else { return Ok(false) };
                let new = match spare.take() {
                    Some(mut spare) => {
                        *spare = Countable::new(value);
                        spare
                    }
                    None => Owned::new_in(guard, Countable::new(value), &self.alloc),
                };
                match self.place.compare_exchange_owned(node, new, guard) {
                    Ok(_) => {
                        drop(Replaced { slot: self, old: node, guard });
                        return Ok(true);
                    }
                    Err(refused) => spare = Some(refused.new),
                }
                backoff.spin();
            }
        })
    }

    /// # Safety
    /// As [`Shared::retire_counted`].
    unsafe fn retire(&self, old: Shared<'_, Countable<T>>, guard: &S::Guard<'_>) {
        #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
        if self.mutation == crate::weakened::Weakened::FreeAtOnce {
            // SAFETY: none; that is the point.
            drop(unsafe { old.into_owned::<A>() });
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { old.retire_counted::<A, _>(guard) };
    }
}

/// A node that was taken off: goes to the collector, also when a caller's closure panics.
struct Replaced<'g, 'c, T: Send + Sync + 'static, S: Scheme + 'c, A: NodeAlloc> {
    slot: &'g Slot<T, S, A>,
    old: Shared<'g, Countable<T>>,
    guard: &'g S::Guard<'c>,
}

impl<'c, T: Send + Sync + 'static, S: Scheme + 'c, A: NodeAlloc> Drop
    for Replaced<'_, 'c, T, S, A>
{
    fn drop(&mut self) {
        // SAFETY: invariant 2; `T` is `Send` and `'static`.
        unsafe { self.slot.retire(self.old, self.guard) };
    }
}

impl<T: Send + Sync + 'static, S: Scheme, A: NodeAlloc> Drop for Slot<T, S, A> {
    fn drop(&mut self) {
        let guard = self.scheme.pin();
        // Acquire [replace]: as if an empty value replaced it.
        let last = self.place.take(Ordering::Acquire);
        // SAFETY: exclusive: a reference that was handed out borrows the slot, or is counted.
        unsafe { self.retire(last, &guard) };
    }
}

impl<T: Send + Sync + Default + 'static> Default for Slot<T> {
    fn default() -> Self {
        Slot::new(T::default())
    }
}

impl<T: Send + Sync + fmt::Debug + 'static, S: Scheme, A: NodeAlloc> fmt::Debug for Slot<T, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read(|value| f.debug_tuple("Slot").field(value).finish())
    }
}

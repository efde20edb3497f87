//! [`Leaf`]: up to 13 entries; [`View`]: what a reader sees of them; [`Held`]: what a writer may do to them.
//!
//! ```text
//! order u64 · lock · keys [K; 13] · values [→V; 13]
//! ```
//! | | written | read |
//! |---|---|---|
//! | order | by who holds the lock | by anybody, at any time |
//! | key in a slot | once, by who holds the lock, before the order names the slot | by who has an order that names, or named, the slot |
//! | value of a slot | the same; then replaced by another value, by who holds the lock | the same; what it then names may be gone: see below |
//!
//! # Invariants
//! 1. A slot is written once, before an order names it, and no slot is used twice.
//! 2. A value is retired only after its slot names another one, or after the order has lost the slot. So a value that was loaded from a slot, and
//!    whose slot is still named by an order read afterwards that is not `replaced`, had not been retired when it was loaded
//!    ([`View::still_names`]): this holds whatever has happened to the guard's lease before.
//! 3. Dropping a leaf drops its keys, never a value.
//!
//! Tags: `[order]` the order is stored with Release after what its new slot holds, and read with Acquire; `[value]` a value is put in the place
//! of another with Release, and loaded with Acquire; `[own]` a leaf of one's own, published with the link to it.

use super::order::{CAPACITY, Order};
use std::borrow::Borrow;
use std::mem::MaybeUninit;
use std::sync::PoisonError;
use stillpoint_primitive::drop_all;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};
use stillpoint_primitive::sync::{Mutex, MutexGuard, UnsafeCell};
use stillpoint_reclaim::{Atomic, NodeAlloc, Owned, Shared};

pub(super) struct Leaf<K, V> {
    order: AtomicU64,
    pub(super) lock: Mutex<()>,
    keys: [UnsafeCell<MaybeUninit<K>>; CAPACITY],
    values: [Atomic<V>; CAPACITY],
}

// SAFETY: gives out `&K` and `&V`, and drops keys, on any thread.
unsafe impl<K: Send + Sync, V: Send + Sync> Send for Leaf<K, V> {}
// SAFETY: as above; a key is written by one thread, before an order that names it is published (invariant 1).
unsafe impl<K: Send + Sync, V: Send + Sync> Sync for Leaf<K, V> {}

/// Takes a lock of the tree. No code of the user's runs under one, so none is ever poisoned.
pub(super) fn hold(lock: &Mutex<()>) -> MutexGuard<'_, ()> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A node of one's own as a pointer, to be published.
pub(super) fn shared<'g, T, A: NodeAlloc>(owned: Owned<T, A>) -> Shared<'g, T> {
    // Relaxed [own]: nobody else has it.
    Atomic::new(owned).take(Ordering::Relaxed)
}

impl<K, V> Leaf<K, V> {
    /// An empty one.
    pub(super) fn new() -> Self {
        Leaf {
            order: AtomicU64::new(0),
            lock: Mutex::new(()),
            keys: std::array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
            values: std::array::from_fn(|_| Atomic::null()),
        }
    }

    /// One that has these keys, in this order, still without values. At most [`CAPACITY`].
    pub(super) fn with_keys(keys: impl Iterator<Item = K>) -> Self {
        let leaf = Leaf::new();
        for key in keys {
            let order = leaf.order();
            // SAFETY: the leaf is ours alone, and no order names the slot.
            unsafe { leaf.write_key(order.used(), key) };
            // Relaxed [own]: see the header.
            leaf.order.store(order.with(order.len()).0, Ordering::Relaxed);
        }
        leaf
    }

    /// Gives a leaf of one's own its values.
    pub(super) fn fill(&self, values: &[Shared<'_, V>]) {
        debug_assert_eq!(values.len(), self.order().len(), "a value a key");
        for (place, &value) in self.values.iter().zip(values) {
            // Relaxed [own]: see the header.
            place.store(value, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    pub(super) fn order(&self) -> Order {
        // Acquire [order]: keys and values of its slots come with it.
        Order(self.order.load(Ordering::Acquire))
    }

    /// What is in the leaf now.
    #[inline(always)]
    pub(super) fn view(&self) -> View<'_, K, V> {
        View { leaf: self, order: self.order() }
    }

    /// Takes the lock.
    ///
    /// # Progress
    /// Blocking.
    pub(super) fn hold(&self) -> Held<'_, K, V> {
        Held { leaf: self, _lock: hold(&self.lock) }
    }

    /// Says that another leaf has taken this one's place; the lock is held.
    pub(super) fn mark_replaced(&self) {
        // Release [order]: before anything is retired.
        self.order.store(self.order().replaced().0, Ordering::Release);
    }

    /// Where the value of a slot is.
    pub(super) fn value(&self, slot: usize) -> &Atomic<V> {
        &self.values[slot]
    }

    /// # Safety
    /// The slot has never been named by an order, and the leaf is the caller's own or its lock is held.
    unsafe fn write_key(&self, slot: usize, key: K) {
        self.keys[slot].with_mut(|place| {
            // SAFETY: nobody else looks at a slot that no order has named.
            unsafe { place.write(MaybeUninit::new(key)) };
        });
    }

    /// Takes the values out, of a leaf that is being dropped with its map.
    ///
    /// # Safety
    /// The leaf is the only one with these values, they are from an `A`, and nobody has one.
    pub(super) unsafe fn take_values<A: NodeAlloc>(&mut self) -> Vec<Owned<V, A>> {
        let order = self.order();
        let slots = (0..order.len()).map(|position| order.slot(position));
        // SAFETY: the caller's promise; what the order does not name is not touched, and was retired.
        slots.filter_map(|slot| unsafe { self.values[slot].take_owned() }).collect()
    }
}

impl<K, V> Drop for Leaf<K, V> {
    fn drop(&mut self) {
        let used = self.order().used();
        drop_all(self.keys[..used].iter().map(|key| {
            // SAFETY: a used slot has a key (invariant 1), and this is its end.
            key.with(|key| unsafe { key.cast::<K>().read() })
        }));
    }
}

/// A leaf, and an order that was read from it.
pub(super) struct View<'g, K, V> {
    leaf: &'g Leaf<K, V>,
    order: Order,
}

impl<K, V> Clone for View<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K, V> Copy for View<'_, K, V> {}

impl<'g, K, V> View<'g, K, V> {
    #[inline(always)]
    pub(super) fn order(self) -> Order {
        self.order
    }

    #[inline(always)]
    pub(super) fn leaf(self) -> &'g Leaf<K, V> {
        self.leaf
    }

    #[inline(always)]
    fn key_in(self, slot: usize) -> &'g K {
        // SAFETY: only called for slots of `order`, so it is written, and nobody writes it again (invariant 1).
        self.leaf.keys[slot].with(|key| unsafe { &*key.cast::<K>() })
    }

    /// The key at a position.
    #[inline(always)]
    pub(super) fn key(self, position: usize) -> &'g K {
        assert!(position < self.order.len(), "no position {position} in {:?}", self.order);
        self.key_in(self.order.slot(position))
    }

    /// Where the value of a position is.
    #[inline(always)]
    pub(super) fn value(self, position: usize) -> &'g Atomic<V> {
        &self.leaf.values[self.order.slot(position)]
    }

    /// How many keys are below `key`; with `or_equal`, below or equal.
    #[inline(always)]
    pub(super) fn rank<Q>(self, key: &Q, or_equal: bool) -> usize
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.order.partition(|slot| {
            let other = self.key_in(slot).borrow();
            if or_equal { other <= key } else { other < key }
        })
    }

    /// The position of `key`: where it is, or where it would be.
    #[inline(always)]
    pub(super) fn find<Q>(self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let position = self.rank(key, false);
        if position < self.order.len() && self.key(position).borrow() == key {
            Ok(position)
        } else {
            Err(position)
        }
    }

    /// Whether the leaf has not been replaced and still has what is at these positions: then their values, loaded before, had not been
    /// retired (invariant 2).
    #[inline(always)]
    pub(super) fn still_names(self, positions: std::ops::Range<usize>) -> bool {
        let now = self.leaf.order();
        now == self.order && !now.is_replaced() || self.still_names_slowly(now, positions)
    }

    #[cold]
    fn still_names_slowly(self, now: Order, mut positions: std::ops::Range<usize>) -> bool {
        !now.is_replaced() && positions.all(|position| now.names(self.order.slot(position)))
    }
}

/// A leaf whose lock is held: nobody else changes it.
pub(super) struct Held<'g, K, V> {
    leaf: &'g Leaf<K, V>,
    _lock: MutexGuard<'g, ()>,
}

impl<'g, K, V> Held<'g, K, V> {
    pub(super) fn order(&self) -> Order {
        self.leaf.order()
    }

    /// Where the value of a slot is.
    pub(super) fn value(&self, slot: usize) -> &Atomic<V> {
        self.leaf.value(slot)
    }

    /// Puts an entry at a position, into a slot that has not been used, of which there must be one.
    pub(super) fn put<A: NodeAlloc>(
        &self,
        position: usize,
        key: K,
        value: Owned<V, A>,
    ) -> (&'g K, Shared<'g, V>) {
        let order = self.order();
        let (slot, new) = (order.used(), order.with(position));
        assert!(slot < CAPACITY, "no slot is left in {order:?}");
        // SAFETY: we hold the lock, and slots from `used` on have not been named.
        unsafe { self.leaf.write_key(slot, key) };
        let value = shared(value);
        // Relaxed [own]: published with the order.
        self.leaf.values[slot].store(value, Ordering::Relaxed);
        self.set(new);
        (View { leaf: self.leaf, order: new }.key_in(slot), value)
    }

    /// Puts a value in the place of another.
    pub(super) fn replace(&self, slot: usize, value: Shared<'_, V>) {
        // Release [value]: what it names is there.
        self.leaf.values[slot].store(value, Ordering::Release);
    }

    /// Stores another order.
    pub(super) fn set(&self, order: Order) {
        // Release [order]: what its slots hold is there.
        self.leaf.order.store(order.0, Ordering::Release);
    }
}

//! [`Node`]: a leaf or an inner node.
//!
//! ```text
//! order u64 · claimed u32 · unsettled u32 · split · left_of · keys [K; 14] · links: Values [→V; 14]  or  Children [→Node; 15]
//! ```
//! | slot | written | read |
//! |---|---|---|
//! | key | once, by whoever claimed the slot, before the order names it | by whoever has read an order that names it |
//! | value | the same; then by CAS: another value, null (removed), frozen | any time after |
//! | child | the same; then by CAS: the node that replaces it, frozen | any time after |
//!
//! Of an inner node, child 14 is the first one, of the keys below all separators; the key of a slot is the least key of its child's range.
//! A link with tag [`FROZEN_LINK`] never changes again.
//!
//! Whether a child has been *halved* (its right half stands in a slot of its own, and it is to be replaced by its left half) must not hang on
//! how keys compare, or a wrong `Ord` would duplicate values. It is told by the slot `j` to the child's right: bit `j` of `unsettled` is set
//! before `j` is published as a right half; the left half that replaces the child says `left_of == j`, and a child's right half never goes into
//! the slot that the child is `left_of`. So bit `j` set and `left_of != j` means halved. A copy of the parent starts with no bits; it sets the
//! child's `split` first.
//!
//! Tags: `[order]` the order is published with Release after what its new slot holds, and read with Acquire; `[claim]` a number handed out,
//! nothing hangs on it; `[halves]` is set before what follows from it is published; `[own]` a slot of one's own, published with the order.

use super::order::{CAPACITY, FROZEN, Order};
use std::borrow::Borrow;
use std::mem::MaybeUninit;
use stillpoint_primitive::sync::UnsafeCell;
use stillpoint_primitive::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use stillpoint_reclaim::{Atomic, NodeAlloc, Owned, Protect, Restart, Shared};

/// The tag of a link that does not change any more.
pub(super) const FROZEN_LINK: usize = 1;
/// The link of an inner node's first child.
pub(super) const FIRST: usize = CAPACITY;
/// `left_of` of a node that is no left half.
const NO_SLOT: u8 = u8::MAX;

/// What the slots lead to.
pub(super) enum Links<K, V> {
    /// Of a leaf: null when the key has been removed.
    Values([Atomic<V>; CAPACITY]),
    /// Of an inner node.
    Children([Atomic<Node<K, V>>; CAPACITY + 1]),
}

/// See the module's page.
pub(super) struct Node<K, V> {
    order: AtomicU64,
    claimed: AtomicU32,
    unsettled: AtomicU32,
    split: AtomicBool,
    left_of: u8,
    keys: [UnsafeCell<MaybeUninit<K>>; CAPACITY],
    pub(super) links: Links<K, V>,
}

// SAFETY: gives `&K` and `&V` to every thread, and drops them on any.
unsafe impl<K: Send + Sync, V: Send + Sync> Send for Node<K, V> {}
// SAFETY: as above; keys are written by one thread before they are published.
unsafe impl<K: Send + Sync, V: Send + Sync> Sync for Node<K, V> {}

/// Most live slots of a node that is copied rather than halved, of `fanout`. Two slots stay free: a child's right half may have to pass over one.
pub(super) fn copied_at_most(fanout: usize) -> usize {
    (fanout * 3 / 4).min(fanout - 2)
}

/// Where a search is going.
pub(super) enum Seek<'q, Q: ?Sized> {
    /// To the key, or where it would be.
    At(&'q Q),
    /// To the keys below this one.
    Below(&'q Q),
    /// To the least key.
    Least,
    /// To the greatest.
    Greatest,
}

impl<Q: ?Sized> Clone for Seek<'_, Q> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<Q: ?Sized> Copy for Seek<'_, Q> {}

/// A child as it was found.
pub(super) struct Route<'g, K, V> {
    /// The order under which it was found; it was its parent's at the moment of the load.
    pub(super) order: Order,
    /// How many separators are at or before it.
    pub(super) position: usize,
    pub(super) child: Shared<'g, Node<K, V>>,
}

impl<K, V> Node<K, V> {
    fn new(links: Links<K, V>) -> Self {
        Node {
            order: AtomicU64::new(0),
            claimed: AtomicU32::new(0),
            unsettled: AtomicU32::new(0),
            split: AtomicBool::new(false),
            left_of: NO_SLOT,
            keys: std::array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
            links,
        }
    }

    /// An empty leaf.
    pub(super) fn leaf() -> Self {
        Node::new(Links::Values(std::array::from_fn(|_| Atomic::null())))
    }

    /// An inner node with this first child.
    pub(super) fn inner(first: Shared<'_, Node<K, V>>) -> Self {
        let children = std::array::from_fn(|_| Atomic::null());
        // Relaxed [own]: published with the node.
        children[FIRST].store(first, Ordering::Relaxed);
        Node::new(Links::Children(children))
    }

    /// The order now.
    #[inline(always)]
    pub(super) fn order(&self) -> Order {
        // Acquire [order]: the keys and links of its slots come with it.
        Order(self.order.load(Ordering::Acquire))
    }

    /// Replaces `expected` by `new`.
    pub(super) fn try_publish(&self, expected: Order, new: Order) -> bool {
        debug_assert!(!expected.is_frozen(), "a frozen order is never replaced");
        // AcqRel [order]: publishes the slot's key and link.
        self.order.compare_exchange(expected.0, new.0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Lets no slot enter any more.
    pub(super) fn freeze_order(&self) -> Order {
        // AcqRel [order]: what it holds for ever comes with it.
        Order(self.order.fetch_or(FROZEN, Ordering::AcqRel) | FROZEN)
    }

    /// Whether all slots are taken, of `fanout`.
    #[inline(always)]
    pub(super) fn is_full(&self, fanout: usize) -> bool {
        // Relaxed [claim]: a number.
        self.claimed.load(Ordering::Relaxed) as usize >= fanout
    }

    /// A slot for the caller alone, while there are any.
    pub(super) fn claim(&self, fanout: usize) -> Option<usize> {
        if self.is_full(fanout) {
            return None;
        }
        // Relaxed [claim]: a number, handed out once.
        let slot = self.claimed.fetch_add(1, Ordering::Relaxed) as usize;
        (slot < fanout).then_some(slot)
    }

    /// Says that `slot`, not published yet, will hold the right half of the child at its left.
    pub(super) fn mark_unsettled(&self, slot: usize) {
        // AcqRel [halves]: before the slot is published.
        self.unsettled.fetch_or(1 << slot, Ordering::AcqRel);
    }

    /// Whether `child`, with `right` as the slot at its right, has been halved. Forgets a halving that is over.
    pub(super) fn has_halved(&self, child: &Node<K, V>, right: Option<usize>) -> bool {
        let Some(slot) = right.filter(|&right| self.may_be_unsettled(right)) else { return false };
        if self.is_halved(child, right) {
            return true;
        }
        // AcqRel [halves]: what replaces this left half need not say so.
        self.unsettled.fetch_and(!(1 << slot), Ordering::AcqRel);
        false
    }

    /// As [`has_halved`](Node::has_halved), writing nothing.
    pub(super) fn is_halved(&self, child: &Node<K, V>, right: Option<usize>) -> bool {
        right.is_some_and(|right| self.may_be_unsettled(right) && child.left_of != right as u8)
    }

    /// Whether `slot` was published as a right half, and that may not be over.
    pub(super) fn may_be_unsettled(&self, slot: usize) -> bool {
        // Acquire [halves]: set before the order that named the slot.
        self.unsettled.load(Ordering::Acquire) & 1 << slot != 0
    }

    /// Whether the node's right half stands elsewhere, whatever its parent says.
    pub(super) fn is_split(&self) -> bool {
        // Acquire [halves]: set before the parent's copy was published.
        self.split.load(Ordering::Acquire)
    }

    /// See [`is_split`](Node::is_split).
    pub(super) fn mark_split(&self) {
        // Release [halves]: before the parent's copy is published.
        self.split.store(true, Ordering::Release);
    }

    /// Says that this node, the caller's own, is the left half whose right half is in the parent's slot `right`.
    pub(super) fn set_left_of(&mut self, right: Option<usize>) {
        self.left_of = right.map_or(NO_SLOT, |right| right as u8);
    }

    /// Whether it is the left half of what is in the parent's slot `right`, or was of another parent's.
    pub(super) fn is_left_of(&self, right: usize) -> bool {
        self.left_of == right as u8
    }

    /// The key in a slot.
    ///
    /// # Safety
    /// An order read from this node names the slot, or it is the caller's own and has a key.
    #[inline(always)]
    pub(super) unsafe fn key(&self, slot: usize) -> &K {
        // SAFETY: written by nobody while it is published, or our own.
        let key = self.keys[slot].with(|key| unsafe { &*key });
        // SAFETY: written before it was published.
        unsafe { key.assume_init_ref() }
    }

    /// Writes a key.
    ///
    /// # Safety
    /// The slot is the caller's own: claimed, not published.
    pub(super) unsafe fn put_key(&self, slot: usize, key: K) {
        // SAFETY: the caller's promise.
        self.keys[slot].with_mut(|place| unsafe { *place = MaybeUninit::new(key) });
    }

    /// Takes the key out of a slot that is not published after all.
    ///
    /// # Safety
    /// The slot is the caller's own, and has a key.
    pub(super) unsafe fn take_key(&self, slot: usize) -> K {
        // SAFETY: the caller's promise; nobody reads it as a key any more.
        self.keys[slot].with(|place| unsafe { place.cast::<K>().read() })
    }

    /// Adds an entry behind all others, to a leaf of one's own.
    pub(super) fn push_value(&self, key: K, value: Shared<'_, V>) {
        let slot = self.push_key(key);
        let values = self.values().expect("a leaf");
        // Relaxed [own]: published with the node.
        values[slot].store(value, Ordering::Relaxed);
    }

    /// Adds a child behind all others, to an inner node of one's own.
    pub(super) fn push_child(&self, key: K, child: Shared<'_, Node<K, V>>) {
        let slot = self.push_key(key);
        let children = self.children().expect("an inner node");
        // Relaxed [own]: published with the node.
        children[slot].store(child, Ordering::Relaxed);
    }

    fn push_key(&self, key: K) -> usize {
        let order = self.order();
        let slot = order.len();
        // SAFETY: the node is the caller's own, the slot is not in use.
        unsafe { self.put_key(slot, key) };
        // Relaxed [claim]: a node of one's own.
        self.claimed.store(slot as u32 + 1, Ordering::Relaxed);
        // Relaxed [own]: published with the node.
        self.order.store(order.with(slot, slot).0, Ordering::Relaxed);
        slot
    }

    /// The slots that hold something, in the order of their keys.
    pub(super) fn live_slots(&self) -> Vec<usize> {
        let order = self.order();
        let slots = (0..order.len()).map(|position| order.slot(position));
        match &self.links {
            Links::Values(values) => {
                slots.filter(|&slot| !values[slot].load_unprotected().is_null()).collect()
            }
            Links::Children(_) => slots.collect(),
        }
    }

    /// How many of `live` slots the left half of a node of `fanout` slots gets.
    pub(super) fn middle(&self, live: usize, fanout: usize) -> usize {
        // Keys that came in ascending order go on like that: the left half gets all it can.
        let order = self.order();
        let ascending = (0..order.len()).all(|position| order.slot(position) == position);
        if ascending {
            copied_at_most(fanout).min(live)
        } else {
            (live / 2).min(copied_at_most(fanout))
        }
    }

    /// Takes a child over.
    ///
    /// # Safety
    /// As [`Atomic::take_owned`].
    pub(super) unsafe fn take_child<A: NodeAlloc>(
        &mut self,
        link: usize,
    ) -> Option<Owned<Node<K, V>, A>> {
        let Links::Children(children) = &mut self.links else { return None };
        // SAFETY: the caller's promise.
        unsafe { children[link].take_owned() }
    }

    /// Whether it is a leaf without a value at this moment.
    pub(super) fn looks_empty(&self) -> bool {
        let Some(values) = self.values() else { return false };
        let order = self.order();
        (0..order.len()).all(|position| values[order.slot(position)].load_unprotected().is_null())
    }

    /// How many keys of `order` are below `key` (and, if `or_equal`, equal to it).
    #[inline(always)]
    pub(super) fn rank<Q>(&self, order: Order, key: &Q, or_equal: bool) -> usize
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        order.partition(|slot| {
            // SAFETY: the order names the slot.
            let other = unsafe { self.key(slot) };
            if or_equal { other.borrow() <= key } else { other.borrow() < key }
        })
    }

    /// The position of `key` in a leaf, and its slot if it is there.
    #[inline(always)]
    pub(super) fn find<Q>(&self, order: Order, key: &Q) -> (usize, Option<usize>)
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let position = self.rank(order, key, false);
        if position == order.len() {
            return (position, None);
        }
        let slot = order.slot(position);
        // SAFETY: the order names the slot.
        let found = unsafe { self.key(slot) };
        (position, (found.borrow() == key).then_some(slot))
    }

    /// The values of a leaf.
    #[inline(always)]
    pub(super) fn values(&self) -> Option<&[Atomic<V>; CAPACITY]> {
        match &self.links {
            Links::Values(values) => Some(values),
            Links::Children(_) => None,
        }
    }

    /// The children of an inner node.
    #[inline(always)]
    pub(super) fn children(&self) -> Option<&[Atomic<Node<K, V>>; CAPACITY + 1]> {
        match &self.links {
            Links::Values(_) => None,
            Links::Children(children) => Some(children),
        }
    }

    /// Finds the child of an inner node that is responsible for what is sought.
    ///
    /// # Errors
    /// [`Restart`] from the load.
    #[inline]
    pub(super) fn route<'g, Q, G>(
        &self,
        children: &[Atomic<Node<K, V>>; CAPACITY + 1],
        seek: Seek<'_, Q>,
        guard: &'g G,
    ) -> Result<Route<'g, K, V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        // The order changes once a slot, at most.
        for _ in 0..=CAPACITY {
            let route = self.look(children, seek, guard)?;
            // Else a split may have put the left half there, and what is sought is in the right one.
            if self.order().same_slots(route.order) {
                return Ok(route);
            }
        }
        Err(Restart)
    }

    /// The child that the order says, or what has replaced it meanwhile.
    #[inline(always)]
    pub(super) fn look<'g, Q, G>(
        &self,
        children: &[Atomic<Node<K, V>>; CAPACITY + 1],
        seek: Seek<'_, Q>,
        guard: &'g G,
    ) -> Result<Route<'g, K, V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        let order = self.order();
        let position = match seek {
            Seek::At(key) => self.rank(order, key, true),
            Seek::Below(key) => self.rank(order, key, false),
            Seek::Least => 0,
            Seek::Greatest => order.len(),
        };
        let child = guard.protect(0, &children[child_link(order, position)])?;
        Ok(Route { order, position, child })
    }
}

/// The link of the child before which `position` separators are.
#[inline(always)]
pub(super) fn child_link(order: Order, position: usize) -> usize {
    if position == 0 { FIRST } else { order.slot(position - 1) }
}

/// Freezes a link, and says what it holds for ever.
pub(super) fn freeze_link<'g, T>(
    link: &Atomic<T>,
    guard: &'g impl Protect,
) -> Result<Shared<'g, T>, Restart> {
    loop {
        let seen = guard.protect(0, link)?;
        if seen.tag() == FROZEN_LINK {
            return Ok(seen);
        }
        let frozen = seen.with_tag(FROZEN_LINK);
        if link.compare_exchange(seen, frozen).is_ok() {
            return Ok(frozen);
        }
    }
}

impl<K, V> Drop for Node<K, V> {
    /// Drops the keys. Values and children belong to the map: another node may have them.
    fn drop(&mut self) {
        let order = self.order();
        for position in 0..order.len() {
            // SAFETY: published slots have keys; nobody uses the node any more.
            drop(unsafe { self.take_key(order.slot(position)) });
        }
    }
}

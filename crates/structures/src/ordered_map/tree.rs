//! [`Tree`]: searches that look where they are going: with the leaf's key range, and past nodes that are being replaced.
//!
//! The slots of a frozen node that has been halved are stale in its right half: the values and children there may have been retired since, from where
//! they are now. The ways of keys do not lead there, but a wrong `Ord` could. So whoever follows a frozen link has to know whether its node had been
//! halved when it was found: if so, the right half does not count; if it had not, what is retired from there is retired after this guard began.
//!
//! Tags: none of its own.

use super::node::{Node, Route, Seek, child_link};
use super::order::{CAPACITY, Order};
use std::borrow::Borrow;
use std::ops::Bound;
use stillpoint_reclaim::{Atomic, Protect, Restart, Shared};

/// Far more levels than memory has room for: a root grows a level when it has more than three quarters of its children.
pub(super) const MAX_HEIGHT: usize = 256;

/// The tree, for reading.
pub(super) struct Tree<'m, K, V> {
    pub(super) root: &'m Atomic<Node<K, V>>,
    pub(super) fanout: usize,
}

impl<K, V> Clone for Tree<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K, V> Copy for Tree<'_, K, V> {}

/// A node on the way.
struct Step<'g, K, V> {
    node: &'g Node<K, V>,
    /// Whether it had been halved when it was found.
    halved: bool,
}

impl<'g, K, V> Step<'g, K, V> {
    /// The child at a link of `node`, found under `order`; `None` if the order has changed.
    fn to(
        node: &Node<K, V>,
        order: Order,
        position: usize,
        child: Shared<'g, Node<K, V>>,
    ) -> Option<Self> {
        // SAFETY: the caller has it protected, and it is never null.
        let child = unsafe { child.deref() };
        let right = (position < order.len()).then(|| order.slot(position));
        let halved = child.is_split() || node.is_halved(child, right);
        // A halving that this order does not know may have been noted in the child by now.
        node.order().same_slots(order).then_some(Step { node: child, halved })
    }

    /// How many slots count, of a frozen node's.
    fn counted(&self, order: Order, fanout: usize) -> usize {
        if !self.halved {
            return order.len();
        }
        let live = self.node.live_slots();
        let middle = self.node.middle(live.len(), fanout);
        // The positions up to the first slot of the right half.
        let first = live.get(middle).copied();
        (0..order.len()).take_while(|&position| Some(order.slot(position)) != first).count()
    }
}

/// A leaf, and its range of keys.
pub(super) struct Place<'g, K, V> {
    step: Step<'g, K, V>,
    pub(super) lower: Option<&'g K>,
    pub(super) upper: Option<&'g K>,
}

/// The entries of a leaf, ascending, as pairs of references.
pub(super) type Entries<'g, K, V> = ([Option<(&'g K, &'g V)>; CAPACITY], usize);

impl<K, V> Tree<'_, K, V> {
    /// The leaf that is responsible for what is sought.
    pub(super) fn place<'g, Q, G>(
        self,
        seek: Seek<'_, Q>,
        guard: &'g G,
    ) -> Result<Place<'g, K, V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        // SAFETY: protected, and never null.
        let node = unsafe { guard.protect_root(0, self.root)?.deref() };
        let mut step = Step { node, halved: node.is_split() };
        let (mut lower, mut upper) = (None, None);
        for _ in 0..MAX_HEIGHT {
            let node = step.node;
            let Some(children) = node.children() else { return Ok(Place { step, lower, upper }) };
            let found = Self::child(&step, children, seek, self.fanout, guard)?;
            let (order, position, child) = found;
            if position > 0 {
                // SAFETY: the order names the slot.
                lower = Some(unsafe { node.key(order.slot(position - 1)) });
            }
            if position < order.len() {
                // SAFETY: the order names the slot.
                upper = Some(unsafe { node.key(order.slot(position)) });
            }
            step = child;
        }
        unreachable!("a tree of more than {MAX_HEIGHT} levels")
    }
}

impl<K, V> Tree<'_, K, V> {
    /// The child of an inner node that is responsible for what is sought, and where it is.
    fn child<'g, Q, G>(
        step: &Step<'g, K, V>,
        children: &[Atomic<Node<K, V>>; CAPACITY + 1],
        seek: Seek<'_, Q>,
        fanout: usize,
        guard: &'g G,
    ) -> Result<(Order, usize, Step<'g, K, V>), Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        let node = step.node;
        // The order changes once a slot, at most.
        for _ in 0..=CAPACITY {
            let Route { order, mut position, mut child } = node.route(children, seek, guard)?;
            if child.tag() != 0 {
                position = position.min(step.counted(order, fanout));
                child = guard.protect(0, &children[child_link(order, position)])?;
            }
            if let Some(step) = Step::to(node, order, position, child) {
                return Ok((order, position, step));
            }
        }
        Err(Restart)
    }
}

impl<'g, K, V> Place<'g, K, V> {
    /// The value at `key`.
    pub(super) fn get<Q, G>(
        &self,
        key: &Q,
        fanout: usize,
        guard: &'g G,
    ) -> Result<Option<&'g V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        let leaf = self.step.node;
        let order = leaf.order();
        let (position, Some(slot)) = leaf.find(order, key) else { return Ok(None) };
        let values = leaf.values().expect("a leaf");
        let value = guard.protect(0, &values[slot])?;
        if value.tag() != 0 && position >= self.step.counted(order, fanout) {
            return Ok(None);
        }
        // SAFETY: protected, and not in a stale half.
        Ok(unsafe { value.as_ref() })
    }

    /// The entries of the leaf from `from` on, up to `to`, but for stale ones.
    pub(super) fn entries<Q, G>(
        &self,
        from: Bound<&Q>,
        to: Bound<&Q>,
        fanout: usize,
        guard: &'g G,
    ) -> Result<Entries<'g, K, V>, Restart>
    where
        K: Borrow<Q> + Ord,
        Q: Ord + ?Sized,
        G: Protect,
    {
        let leaf = self.step.node;
        let order = leaf.order();
        let begin = match from {
            Bound::Unbounded => 0,
            Bound::Included(key) => leaf.rank(order, key, false),
            Bound::Excluded(key) => leaf.rank(order, key, true),
        };
        let mut end = match to {
            Bound::Unbounded => order.len(),
            Bound::Included(key) => leaf.rank(order, key, true),
            Bound::Excluded(key) => leaf.rank(order, key, false),
        };
        if let Some(upper) = self.upper {
            end = end.min(leaf.rank::<K>(order, upper, false));
        }
        let mut found = [None; CAPACITY];
        let mut len = 0;
        let values = leaf.values().expect("a leaf");
        for position in begin..end {
            let slot = order.slot(position);
            let value = guard.protect(0, &values[slot])?;
            if value.is_null() {
                continue;
            }
            if value.tag() != 0 && position >= self.step.counted(order, fanout) {
                break;
            }
            // SAFETY: the order names the slot.
            let key = unsafe { leaf.key(slot) };
            // SAFETY: protected, and not in a stale half.
            found[len] = Some((key, unsafe { value.deref() }));
            len += 1;
        }
        Ok((found, len))
    }
}

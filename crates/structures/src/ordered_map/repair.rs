//! What changes the shape of the tree: replacing full and frozen nodes, and taking out empty leaves.
//!
//! ```text
//! replace     freeze the node: its order, then its links; nothing in it changes any more
//!             at most ¾ live?      one node with what is live ─ CAS ─▶ the parent's link; retire the old one
//!             more?                publish the right half in a slot of its own, to the right of the node; readers see either
//!                                  then the left half, as above
//! ```
//! Everybody who meets a frozen node does the same to it, and comes to the same decision, since it hangs only on what is frozen and on whether
//! the right half has been published ([`Node::has_halved`]). So nobody waits for anybody.
//!
//! 1. A node that is not frozen is in the tree: only frozen nodes are replaced.
//! 2. In a frozen parent no link changes, so its children are replaced only after it has been: by a copy with the same children.
//! 3. While a parent's order is the one under which a child was found and the child asks to be halved, nobody replaces the child: they would halve
//!    it too, and change the order. So a right half is published only beside its node.
//! 4. The key ranges: the upper end of a node's range changes only by halving it, when it is frozen. The lower end may move down, when an empty leaf
//!    to its left is taken out.
//! 5. Who replaces a node retires it, and the empty leaves left out of a copy.
//!
//! Progress: lock-free. A step fails only because somebody else's replacement or insertion succeeded.

//! Tags: `[own]` links of nodes that are not published yet.

use super::map::OrderedMap;
use super::node::{FIRST, Links, Node, Route, Seek, child_link, copied_at_most, freeze_link};
use super::order::CAPACITY;
use std::borrow::Borrow;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, NodeAlloc, Owned, Protect, Restart, Scheme, Shared};

/// How often one removal tries to take out the empty leaf that it has left.
const PRUNE_ATTEMPTS: usize = 8;

/// The inner node in which a node hangs, and where.
struct Parent<'g, K, V> {
    node: &'g Node<K, V>,
    children: &'g [Atomic<Node<K, V>>; CAPACITY + 1],
    route: Route<'g, K, V>,
}

impl<K, V> Parent<'_, K, V> {
    /// The slot to the right of the child.
    fn right(&self) -> Option<usize> {
        let Route { order, position, .. } = self.route;
        (position < order.len()).then(|| order.slot(position))
    }
}

/// Slots in the order of their keys.
#[derive(Clone, Copy)]
struct Slots {
    slots: [u8; CAPACITY],
    len: usize,
}

impl Slots {
    fn new() -> Self {
        Slots { slots: [0; CAPACITY], len: 0 }
    }

    fn push(&mut self, slot: usize) {
        self.slots[self.len] = slot as u8;
        self.len += 1;
    }

    fn get(&self, position: usize) -> usize {
        usize::from(self.slots[position])
    }
}

/// A frozen node, and what is to become of it.
struct Frozen<'g, K, V> {
    shared: Shared<'g, Node<K, V>>,
    node: &'g Node<K, V>,
    live: Slots,
    /// How many of `live` go into the left half.
    middle: usize,
}

/// A node that is not published yet.
type New<K, V, A> = Owned<Node<K, V>, A>;

/// What goes where a frozen node was.
enum Successor<'g, K, V, A: NodeAlloc> {
    New(New<K, V, A>),
    /// The only child that is left.
    Child(Shared<'g, Node<K, V>>),
}

impl<K, V, S, A> OrderedMap<K, V, S, A>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: Scheme,
    A: NodeAlloc,
{
    /// Replaces whatever is frozen or full on the way to `key`.
    ///
    /// # Errors
    /// [`Restart`]: so far, so good; repair again.
    pub(super) fn repair<Q, G>(&self, key: &Q, guard: &G) -> Result<(), Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        while !self.repair_one(key, guard)? {}
        Ok(())
    }

    /// Replaces the first node on the way that has to be; true if there was none.
    fn repair_one<Q, G>(&self, key: &Q, guard: &G) -> Result<bool, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        let mut shared = guard.protect_root(0, &self.root)?;
        let mut parent = None;
        loop {
            // SAFETY: protected, and never null.
            let node = unsafe { shared.deref() };
            if node.order().is_frozen() || node.is_full(self.fanout) {
                self.replace(parent, shared, guard)?;
                return Ok(false);
            }
            let Some(children) = node.children() else { return Ok(true) };
            let route = self.route(node, children, Seek::At(key), guard)?;
            if route.child.tag() != 0 {
                // The parent has been frozen since.
                return Ok(false);
            }
            shared = route.child;
            parent = Some(Parent { node, children, route });
        }
    }

    /// Takes the empty leaf at `key` out, if that can be done.
    pub(super) fn prune<Q, G>(&self, key: &Q, guard: &G) -> Result<(), Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        'attempts: for _ in 0..PRUNE_ATTEMPTS {
            let mut shared = guard.protect_root(0, &self.root)?;
            let mut parent: Option<Parent<'_, K, V>> = None;
            let leaf = loop {
                // SAFETY: protected, and never null.
                let node = unsafe { shared.deref() };
                let Some(children) = node.children() else { break node };
                let route = self.route(node, children, Seek::At(key), guard)?;
                if route.child.tag() != 0 {
                    self.repair(key, guard)?;
                    continue 'attempts;
                }
                shared = route.child;
                parent = Some(Parent { node, children, route });
            };
            let Some(parent) = parent else { return Ok(()) };
            let order = parent.route.order;
            let is_last = parent.route.position == order.len();
            if !leaf.looks_empty() || (is_last && order.len() > 0) {
                return Ok(());
            }
            if is_last || self.freeze(shared, guard)?.live.len == 0 {
                // It makes the parent's copy leave the leaf out, or the leaf takes its parent's place.
                parent.node.freeze_order();
            }
            self.repair(key, guard)?;
        }
        Ok(())
    }

    fn freeze<'g, G: Protect>(
        &self,
        shared: Shared<'g, Node<K, V>>,
        guard: &'g G,
    ) -> Result<Frozen<'g, K, V>, Restart> {
        // SAFETY: the caller has it protected.
        let node = unsafe { shared.deref() };
        let order = node.freeze_order();
        let mut live = Slots::new();
        for position in 0..order.len() {
            let slot = order.slot(position);
            let is_live = match &node.links {
                Links::Values(values) => self.freeze_value(&values[slot], guard)?,
                Links::Children(children) => !freeze_link(&children[slot], guard)?.is_null(),
            };
            if is_live {
                live.push(slot);
            }
        }
        if let Some(children) = node.children() {
            freeze_link(&children[FIRST], guard)?;
        }
        Ok(Frozen { shared, node, middle: node.middle(live.len, self.fanout), live })
    }

    /// Whether there is a value, for ever.
    fn freeze_value<G: Protect>(&self, link: &Atomic<V>, guard: &G) -> Result<bool, Restart> {
        #[cfg(stillpoint_loom)]
        if self.mutation == super::Mutation::ValuesNotFrozen {
            return Ok(!guard.protect(0, link)?.is_null());
        }
        Ok(!freeze_link(link, guard)?.is_null())
    }

    /// Does to a node, full or frozen, what is to be done; nothing when somebody else was at it.
    fn replace<'g, G: Protect>(
        &self,
        parent: Option<Parent<'g, K, V>>,
        shared: Shared<'g, Node<K, V>>,
        guard: &'g G,
    ) -> Result<(), Restart> {
        let frozen = self.freeze(shared, guard)?;
        let too_many = frozen.live.len > copied_at_most(self.fanout);
        let mut halved = frozen.node.is_split();
        let Some(parent) = parent else {
            if !halved {
                settle(frozen.node, guard)?;
            }
            return if !halved && too_many {
                self.grow_root(&frozen, guard)
            } else {
                self.put_successor(&self.root, &frozen, halved, None, guard)
            };
        };
        let mut left_of = None;
        if !halved && parent.node.has_halved(frozen.node, parent.right()) {
            (halved, left_of) = (true, parent.right());
        }
        if !halved {
            // Whoever halves it has done so before.
            settle(frozen.node, guard)?;
        }
        if !halved && too_many {
            left_of = self.publish_right_half(&parent, &frozen, guard)?;
            if left_of.is_none() {
                return Ok(());
            }
            halved = true;
        }
        let Route { order, position, .. } = parent.route;
        let link = &parent.children[child_link(order, position)];
        self.put_successor(link, &frozen, halved, left_of, guard)
    }

    /// Puts what is left of a frozen node where it was.
    fn put_successor<'g, G: Protect>(
        &self,
        link: &Atomic<Node<K, V>>,
        frozen: &Frozen<'g, K, V>,
        halved: bool,
        left_of: Option<usize>,
        guard: &'g G,
    ) -> Result<(), Restart> {
        let mut left_out = Vec::new();
        let successor = match frozen.node.children() {
            Some(children) if !halved => self.shrunk(frozen, children, &mut left_out, guard)?,
            _ => {
                let len = if halved { frozen.middle } else { frozen.live.len };
                let mut new = self.part(frozen, None, 0, len, guard)?;
                new.set_left_of(left_of);
                Successor::New(new)
            }
        };
        let replaced = match successor {
            Successor::New(new) => link.compare_exchange_owned(frozen.shared, new, guard).is_ok(),
            Successor::Child(child) => link.compare_exchange(frozen.shared, child).is_ok(),
        };
        if replaced {
            for leaf in left_out {
                // SAFETY: frozen and empty, linked only from the node that has just been unlinked.
                unsafe { Shared::retire_in::<A, G>(leaf, guard) };
            }
            // SAFETY: unlinked just now, by us alone.
            unsafe { frozen.shared.retire_in::<A, G>(guard) };
        }
        Ok(())
    }

    /// Publishes the right half in a slot of its own, and says in which; `None` if that could not be done now.
    fn publish_right_half<'g, G: Protect>(
        &self,
        parent: &Parent<'g, K, V>,
        frozen: &Frozen<'g, K, V>,
        guard: &'g G,
    ) -> Result<Option<usize>, Restart> {
        let order = parent.route.order;
        if order.is_frozen() || parent.node.order() != order {
            return Ok(None);
        }
        let (separator, right) = self.right_half(frozen, guard)?;
        let Some(mut slot) = parent.node.claim(self.fanout) else { return Ok(None) };
        if frozen.node.is_left_of(slot) {
            let Some(another) = parent.node.claim(self.fanout) else { return Ok(None) };
            slot = another;
        }
        parent.node.mark_unsettled(slot);
        let mut right = Atomic::new(right);
        // Relaxed [own]: published with the order.
        parent.children[slot].store(right.load_exclusive(), Ordering::Relaxed);
        // SAFETY: claimed above.
        unsafe { parent.node.put_key(slot, separator) };
        if parent.node.try_publish(order, order.with(parent.route.position, slot)) {
            return Ok(Some(slot));
        }
        // SAFETY: claimed above, and not published.
        drop(unsafe { parent.node.take_key(slot) });
        // SAFETY: not published; made from an `A`.
        drop(unsafe { right.take_owned::<A>() });
        Ok(None)
    }

    /// Replaces a root that is too full by two halves under a new one.
    fn grow_root<'g, G: Protect>(
        &self,
        frozen: &Frozen<'g, K, V>,
        guard: &'g G,
    ) -> Result<(), Restart> {
        let (separator, right) = self.right_half(frozen, guard)?;
        let mut left = Atomic::new(self.part(frozen, None, 0, frozen.middle, guard)?);
        let mut right = Atomic::new(right);
        let node = Node::inner(left.load_exclusive());
        node.push_child(separator, right.load_exclusive());
        let node = Owned::new_in(guard, node, &self.alloc);
        if self.root.compare_exchange_owned(frozen.shared, node, guard).is_ok() {
            // SAFETY: unlinked just now, by us alone.
            unsafe { frozen.shared.retire_in::<A, G>(guard) };
            return Ok(());
        }
        for half in [&mut left, &mut right] {
            // SAFETY: not published; made from an `A`.
            drop(unsafe { half.take_owned::<A>() });
        }
        Ok(())
    }

    fn right_half<G: Protect>(
        &self,
        frozen: &Frozen<'_, K, V>,
        guard: &G,
    ) -> Result<(K, New<K, V, A>), Restart> {
        let Frozen { node, live, middle, .. } = frozen;
        let first = live.get(*middle);
        // SAFETY: the node's order names it.
        let separator = unsafe { node.key(first) }.clone();
        // The first child of an inner right half has the separator as its key, in the parent.
        let (first, from) = match node.children() {
            Some(_) => (Some(first), middle + 1),
            None => (None, *middle),
        };
        Ok((separator, self.part(frozen, first, from, live.len, guard)?))
    }

    /// A node with some of the live slots, and `first` (or else the same first) as its first child.
    fn part<G: Protect>(
        &self,
        frozen: &Frozen<'_, K, V>,
        first: Option<usize>,
        from: usize,
        to: usize,
        guard: &G,
    ) -> Result<Owned<Node<K, V>, A>, Restart> {
        let node = match &frozen.node.links {
            Links::Values(_) => Node::leaf(),
            Links::Children(children) => {
                Node::inner(guard.protect(0, &children[first.unwrap_or(FIRST)])?.with_tag(0))
            }
        };
        for position in from..to {
            let slot = frozen.live.get(position);
            // SAFETY: the node's order names it.
            let key = unsafe { frozen.node.key(slot) }.clone();
            match &frozen.node.links {
                Links::Values(values) => {
                    node.push_value(key, guard.protect(0, &values[slot])?.with_tag(0));
                }
                Links::Children(children) => {
                    node.push_child(key, guard.protect(0, &children[slot])?.with_tag(0));
                }
            }
        }
        Ok(Owned::new_in(guard, node, &self.alloc))
    }

    /// A copy of an inner node without the empty leaves in it, but for one in the last place; or the only child that is left.
    fn shrunk<'g, G: Protect>(
        &self,
        frozen: &Frozen<'g, K, V>,
        children: &[Atomic<Node<K, V>>; CAPACITY + 1],
        left_out: &mut Vec<Shared<'g, Node<K, V>>>,
        guard: &'g G,
    ) -> Result<Successor<'g, K, V, A>, Restart> {
        let Frozen { node, live, .. } = frozen;
        // Where the range of the next child that stays begins; at the node's own beginning, for the first.
        let mut begin = None;
        let mut kept = Vec::new();
        for position in 0..=live.len {
            let slot = if position == 0 { FIRST } else { live.get(position - 1) };
            let child = guard.protect(0, &children[slot])?.with_tag(0);
            let from = begin.take().unwrap_or((position > 0).then_some(slot));
            if position < live.len && self.is_dead(child, guard)? {
                left_out.push(child);
                begin = Some(from);
            } else {
                kept.push((from, child));
            }
        }
        if let [(_, child)] = kept[..] {
            return Ok(Successor::Child(child));
        }
        let new = Node::inner(kept[0].1);
        for &(from, child) in &kept[1..] {
            let from = from.expect("only the first range begins where the node does");
            // SAFETY: the node's order names it.
            new.push_child(unsafe { node.key(from) }.clone(), child);
        }
        Ok(Successor::New(Owned::new_in(guard, new, &self.alloc)))
    }

    /// Whether it is a leaf that is empty, for ever. One that seems empty is frozen, to know.
    fn is_dead<G: Protect>(
        &self,
        child: Shared<'_, Node<K, V>>,
        guard: &G,
    ) -> Result<bool, Restart> {
        // SAFETY: protected by the caller, and never null.
        let node = unsafe { child.deref() };
        if !node.looks_empty() {
            return Ok(false);
        }
        node.freeze_order();
        let values = node.values().expect("only a leaf looks empty");
        let order = node.order();
        for position in 0..order.len() {
            if self.freeze_value(&values[order.slot(position)], guard)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Writes into each child of a frozen node that has been halved that it has: the node's copies will not tell. Not for halved nodes: their
/// stale children may be gone.
fn settle<K, V, G: Protect>(node: &Node<K, V>, guard: &G) -> Result<(), Restart> {
    let Some(children) = node.children() else { return Ok(()) };
    let order = node.order();
    for position in 0..order.len() {
        let right = order.slot(position);
        if !node.may_be_unsettled(right) {
            continue;
        }
        let child = guard.protect(0, &children[child_link(order, position)])?;
        // SAFETY: protected; never null.
        let child = unsafe { child.deref() };
        if node.has_halved(child, Some(right)) {
            child.mark_split();
        }
    }
    Ok(())
}

//! Nodes in the place of others: when a leaf is full, or empty.
//!
//! ```text
//! full, up to 3/4 live      full, more live              no room above                  empty
//!   P ─▶ X                    G ─▶ P ─▶ X                  H ─▶ G ─▶ P ─▶ X               G ─▶ P ─▶ X
//!   P ─▶ X′                   G ─▶ P′ ─▶ X₁ X₂             H ─▶ G′ ─▶ P₁ P₂ ─▶ X₁ X₂      G ─▶ P′
//! ```
//! P′ is P with other keys and other children: nodes are not changed but replaced, except for one link. H, G, P: the link's *holder*. What has been built
//! is drawn below what it replaces; the rest of the children belong to old and new nodes alike.
//!
//! 1. **draft**: the way to the leaf is found, what the nodes hold that are to be replaced is read, new nodes are built with clones of their keys. No lock
//!    is held.
//! 2. **lock** the holder, then each node that is to be replaced, from the top down.
//! 3. **compare**: the holder is in the tree, each link and value is the one that was read, and so is the leaf's order. Else: begin again.
//! 4. **fill** the new nodes with the children and values of the old ones, and lock the new ones.
//! 5. **publish**: one store to the holder's link.
//! 6. **mark** the old nodes as replaced; give up all locks; retire the old nodes.
//!
//! # Invariants
//! 1. A node in the tree is named by exactly one link of nodes in the tree (or by the root), a value by one slot.
//! 2. A node leaves the tree by step 5 of one restructuring, once, and is then frozen: its links and slots are never stored to again.
//! 3. While a node is in the tree, the set of keys for which a search comes to it never shrinks.
//!
//! # Proof
//! *No deadlock.* All leaves are equally far from the root, and a node's height never changes; locks are taken in the order of falling height, one of each
//! height. New nodes' locks are taken before anybody else can reach these.
//!
//! *2.* A link and a slot are stored to under their node's lock, by who has seen, under the lock, that the node is in the tree: in `write`, the order is not
//! `replaced`; here, the holder is not `replaced`, hence its link's target is in the tree, hence so on down to the leaf. Whoever replaces a node holds its
//! lock from the comparison to the mark. So of two restructurings that want to replace a node, the second one finds another link, or the mark: a node is
//! replaced once, retired once, by one thread. There is no helping: no other thread ever finishes what one has begun.
//!
//! *1.* The new nodes get all links and slots of the replaced ones, which nobody changes meanwhile, and those are out of the tree from step 5 on. A link that
//! goes away is the one to the empty leaf (or to a node with no other child). All this counts slots and links, and compares no keys: a wrong `Ord` mixes up
//! entries, but no memory.
//!
//! *3.* Nodes' keys never change. A split covers the same keys with other nodes; where an empty leaf goes, its keys fall to the neighbour.
//!
//! *Searches are right.* Let a search for k have come to node N, which is in the tree when its link to the child is loaded, and is then on the way of k; that
//! child then is so too. N is in the tree at the load, or the load is between steps 5 and 6 of what replaced it: then N's links still are those
//! of the nodes in its place, which are locked, or the empty leaf's that has just gone. After step 6 the search starts again. In the leaf, the order is
//! read once more after the value, in the same way. So what a search finds in its leaf was in the map at some moment between its beginning and its end:
//! when it read the order, or the value, or when the leaf was replaced, which was after the search had begun.
//!
//! *Nothing is lost.* A writer that holds the lock of a leaf which is not `replaced`, to which its search for k came, holds the leaf in which k belongs (3).
//!
//! *Memory.* What a search follows had not been retired when it was loaded ([find](super::find)): all nodes that step 5 takes out are marked
//! before any is retired, and what hangs on a node between steps 5 and 6 hangs on locked new ones too.
//!
//! Tags: `[link]` the one store: Release, after the new nodes were filled.

use super::OrderedMap;
use super::find::{Path, Step};
use super::inner::{FANOUT, Inner, Siblings, adopt};
use super::leaf::{Leaf, View, hold, shared};
use std::borrow::Borrow;
use std::ops::Range;
use stillpoint_primitive::sync::MutexGuard;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{NodeAlloc, Owned, Protect, Restart, Scheme, Shared};

/// Nodes that are to be put in the place of others, with their keys.
struct Draft<K, V, A: NodeAlloc> {
    /// In the leaf's place: none, one or two.
    leaves: Vec<Owned<Leaf<K, V>, A>>,
    /// In the place of inner nodes, from the lowest level up: one or two a level; none where the only child left takes the place. Last, if
    /// the root was split, the new root.
    inners: Vec<Vec<Owned<Inner<K, V>, A>>>,
    /// The lowest step that has something in its place; those below it go with the leaf.
    lowest: usize,
    /// The uppermost step that is replaced; if there is none, the number of steps.
    first: usize,
}

/// What the old nodes hold.
struct Contents<'g, K, V> {
    values: Vec<Shared<'g, V>>,
    /// Of the steps from `first` on that have something in their place.
    siblings: Vec<Siblings<'g, K, V>>,
}

/// What goes into the holder's link.
enum Top<'g, K, V> {
    Leaf(Shared<'g, Leaf<K, V>>),
    Inner(Shared<'g, Inner<K, V>>),
}

/// The new nodes, filled and not yet published.
struct Built<'g, K, V> {
    top: Top<'g, K, V>,
    leaves: Vec<Shared<'g, Leaf<K, V>>>,
    inners: Vec<Shared<'g, Inner<K, V>>>,
}

impl<K, V, S, A> OrderedMap<K, V, S, A>
where
    K: Ord + Clone + Send + 'static,
    V: Send + 'static,
    S: Scheme,
    A: NodeAlloc,
{
    /// Makes room in the leaf of `key`, if all its slots have been used. It may be full again when this returns.
    pub(super) fn make_room<Q>(&self, key: &Q, guard: &S::Guard<'_>) -> Result<(), Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let path = self.path(key, guard)?;
        let (view, lowest) = (path.leaf.view(), path.steps.len());
        let len = view.order().len();
        if view.order().used() < self.slots() || view.order().is_replaced() {
            return Ok(());
        }
        let is_copied = len <= self.slots() * 3 / 4;
        let has_room = |step: &Step<'_, K, V>| step.inner.keys().len() + 1 < self.fanout();
        let first =
            if is_copied { lowest } else { path.steps.iter().rposition(has_room).unwrap_or(0) };
        let Some(contents) = contents(&path, view, first..lowest, guard)? else { return Ok(()) };
        let draft = self.draft_room(&path, view, is_copied, guard);
        debug_assert_eq!(draft.first, first, "as far up as there is no room");
        self.publish(draft, &path, contents, view, guard);
        Ok(())
    }

    /// Takes the leaf of `key` out of the tree, if it is empty and not the only one.
    pub(super) fn unlink<Q>(&self, key: &Q, guard: &S::Guard<'_>) -> Result<(), Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        loop {
            let path = self.path(key, guard)?;
            let view = path.leaf.view();
            if view.order().is_replaced() {
                continue;
            }
            let has_more = |step: &Step<'_, K, V>| !step.inner.keys().is_empty();
            let Some(first) = path.steps.iter().rposition(has_more) else { return Ok(()) };
            if view.order().len() > 0 {
                return Ok(());
            }
            let contents = contents(&path, view, first..first + 1, guard)?;
            let Some(contents) = contents else { continue };
            let draft = self.draft_without(&path, first, guard);
            if self.publish(draft, &path, contents, view, guard) {
                return Ok(());
            }
        }
    }

    /// Children of an inner node.
    fn fanout(&self) -> usize {
        self.fanout.min(FANOUT)
    }

    /// A leaf with unused slots, or two.
    fn draft_room(
        &self,
        path: &Path<'_, K, V>,
        view: View<'_, K, V>,
        is_copied: bool,
        guard: &S::Guard<'_>,
    ) -> Draft<K, V, A> {
        let (len, lowest) = (view.order().len(), path.steps.len());
        let copied = |range: Range<usize>| {
            let keys = range.map(|position| view.key(position).clone());
            Owned::new_in(guard, Leaf::with_keys(keys), &self.alloc)
        };
        if is_copied {
            return Draft {
                leaves: vec![copied(0..len)],
                inners: Vec::new(),
                lowest,
                first: lowest,
            };
        }
        // Keys that came in ascending order go on like that: they leave full leaves behind.
        let middle = if view.order().is_ascending() { len - 1 } else { len / 2 };
        let leaves = vec![copied(0..middle), copied(middle..len)];
        let mut draft = Draft { leaves, inners: Vec::new(), lowest: lowest - 1, first: lowest };
        self.draft_above(&mut draft, path, view.key(middle).clone(), guard);
        draft
    }

    /// Nodes above two children in the place of one, with `separator` between them.
    fn draft_above(
        &self,
        draft: &mut Draft<K, V, A>,
        path: &Path<'_, K, V>,
        separator: K,
        guard: &S::Guard<'_>,
    ) {
        let mut separator = separator;
        let node = |keys: Vec<K>, above_leaves| {
            Owned::new_in(guard, Inner::new(keys, above_leaves), &self.alloc)
        };
        for (at, &Step { inner, index, .. }) in path.steps.iter().enumerate().rev() {
            draft.first = at;
            let above_leaves = inner.is_above_leaves();
            let mut keys = Vec::with_capacity(inner.keys().len() + 1);
            keys.extend_from_slice(&inner.keys()[..index]);
            keys.push(separator);
            keys.extend_from_slice(&inner.keys()[index..]);
            let children = keys.len() + 1;
            if children <= self.fanout() {
                return draft.inners.push(vec![node(keys, above_leaves)]);
            }
            let left = if index + 2 == children { children - 2 } else { children / 2 };
            let right = keys.split_off(left);
            separator = keys.pop().expect("two children at least");
            draft.inners.push(vec![node(keys, above_leaves), node(right, above_leaves)]);
        }
        draft.inners.push(vec![node(vec![separator], false)]);
    }

    /// A node without the way to the leaf, in the place of the one at step `first`.
    fn draft_without(
        &self,
        path: &Path<'_, K, V>,
        first: usize,
        guard: &S::Guard<'_>,
    ) -> Draft<K, V, A> {
        let Step { inner, index, .. } = path.steps[first];
        let keys = inner.keys();
        let collapses = first == 0 && keys.len() == 1 && !inner.is_above_leaves();
        let mut nodes = Vec::new();
        if !collapses {
            let gone = index.saturating_sub(1);
            let keys = keys[..gone].iter().chain(&keys[gone + 1..]).cloned();
            let node = Inner::new(keys, inner.is_above_leaves());
            nodes.push(Owned::new_in(guard, node, &self.alloc));
        }
        Draft { leaves: Vec::new(), inners: vec![nodes], lowest: first, first }
    }

    /// Steps 2 to 6; false if the tree has changed since the path was found.
    fn publish<'g>(
        &'g self,
        draft: Draft<K, V, A>,
        path: &Path<'g, K, V>,
        contents: Contents<'g, K, V>,
        view: View<'g, K, V>,
        guard: &'g S::Guard<'_>,
    ) -> bool {
        let held = self.lock(&draft, path);
        if !self.is_as_found(&draft, path, view) || !contents.are_still_in(path, view, draft.first)
        {
            return false;
        }
        let first = draft.first;
        let built = draft.fill(path, contents);
        let held_too = built.lock();
        match (built.top, first.checked_sub(1).map(|holder| &path.steps[holder])) {
            (Top::Leaf(leaf), Some(Step { inner, index, .. })) => {
                // Release [link]: see the header.
                inner.children.leaves()[*index].store(leaf, Ordering::Release);
            }
            (Top::Inner(node), Some(Step { inner, index, .. })) => {
                // Release [link]: see the header.
                inner.children.inners()[*index].store(node, Ordering::Release);
            }
            (Top::Inner(node), None) => {
                // Release [link]: see the header.
                self.root.store(node, Ordering::Release);
            }
            (Top::Leaf(_), None) => unreachable!("there is an inner node above each leaf"),
        }
        path.leaf.mark_replaced();
        path.steps[first..].iter().for_each(|step| step.inner.mark_replaced());
        drop((held, held_too));
        self.retire_replaced(&path.steps[first..], path.node, guard);
        true
    }

    fn lock<'p>(
        &'p self,
        draft: &Draft<K, V, A>,
        path: &Path<'p, K, V>,
    ) -> Vec<MutexGuard<'p, ()>> {
        let mut held = Vec::with_capacity(path.steps.len() + 2);
        match draft.first.checked_sub(1) {
            Some(holder) => held.push(hold(&path.steps[holder].inner.lock)),
            None => held.push(hold(&self.root_lock)),
        }
        held.extend(path.steps[draft.first..].iter().map(|step| hold(&step.inner.lock)));
        #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
        if self.mutation == super::Mutation::LeafNotLocked {
            return held;
        }
        held.push(hold(&path.leaf.lock));
        held
    }

    /// Whether nodes, links and leaf are those that were found; the locks are held.
    fn is_as_found(
        &self,
        draft: &Draft<K, V, A>,
        path: &Path<'_, K, V>,
        view: View<'_, K, V>,
    ) -> bool {
        let (above, replaced) = path.steps.split_at(draft.first);
        let root_is = |node: Shared<'_, _>| self.root.load_unprotected() == node.unprotected();
        let linked = match (above.last(), replaced.first()) {
            (Some(holder), _) => !holder.inner.is_replaced(),
            (None, Some(step)) => root_is(step.node),
            (None, None) => false,
        };
        let steps = above.last().into_iter().chain(replaced);
        let below = steps.clone().skip(1);
        let links = steps.clone().zip(below).all(|(step, next)| {
            let link = &step.inner.children.inners()[step.index];
            link.load_unprotected() == next.node.unprotected()
        });
        let last = path.steps.last().is_some_and(|step| {
            let link = &step.inner.children.leaves()[step.index];
            link.load_unprotected() == path.node.unprotected()
        });
        linked && links && last && path.leaf.order() == view.order()
    }

    fn retire_replaced<'g>(
        &self,
        steps: &[Step<'g, K, V>],
        leaf: Shared<'g, Leaf<K, V>>,
        guard: &'g S::Guard<'_>,
    ) {
        // SAFETY: taken out of the tree just now, by us alone (invariant 2); made by an `A`.
        unsafe { leaf.retire_in::<A, _>(guard) };
        for step in steps {
            // SAFETY: as above.
            unsafe { step.node.retire_in::<A, _>(guard) };
        }
    }
}

/// What is in the leaf and in these steps; `None` if one of them has been replaced.
fn contents<'g, K, V>(
    path: &Path<'g, K, V>,
    view: View<'g, K, V>,
    steps: Range<usize>,
    guard: &'g impl Protect,
) -> Result<Option<Contents<'g, K, V>>, Restart> {
    let positions = 0..view.order().len();
    let values = positions.clone().map(|position| guard.protect(0, view.value(position)));
    let values = values.collect::<Result<_, _>>()?;
    let mut siblings = Vec::with_capacity(steps.len());
    for step in &path.steps[steps] {
        let Some(all) = step.inner.siblings(guard)? else { return Ok(None) };
        siblings.push(all);
    }
    Ok(view.still_names(positions).then_some(Contents { values, siblings }))
}

impl<K, V> Contents<'_, K, V> {
    /// Whether all is where it was; the locks are held.
    fn are_still_in(&self, path: &Path<'_, K, V>, view: View<'_, K, V>, first: usize) -> bool {
        let values = self.values.iter().enumerate();
        let mut siblings = path.steps[first..].iter().zip(&self.siblings);
        siblings.all(|(step, siblings)| siblings.are_still_in(step.inner))
            && values
                .map(|(at, value)| (view.value(at).load_unprotected(), value))
                .all(|(now, value)| now == value.unprotected())
    }
}

impl<K, V, A: NodeAlloc> Draft<K, V, A> {
    /// Gives the new nodes their children and values.
    fn fill<'g>(self, path: &Path<'g, K, V>, contents: Contents<'g, K, V>) -> Built<'g, K, V> {
        let mut values = &contents.values[..];
        let mut leaves = Vec::new();
        for leaf in self.leaves {
            let (own, rest) = values.split_at(leaf.order().len());
            leaf.fill(own);
            values = rest;
            leaves.push(shared(leaf));
        }
        let mut built = Built { top: Top::Leaf(Shared::null()), leaves, inners: Vec::new() };
        let mut siblings = contents.siblings;
        // What is put in the place of the child that the path takes.
        let mut children: Vec<Shared<'g, Inner<K, V>>> = Vec::new();
        for (up, nodes) in self.inners.into_iter().enumerate() {
            match siblings.pop() {
                Some(Siblings::Leaves(mut all)) => {
                    let index = path.steps[self.lowest - up].index;
                    all.splice(index..=index, built.leaves.iter().copied());
                    adopt(&nodes, all, |node| node.children.leaves());
                }
                Some(Siblings::Inners(mut all)) => {
                    let index = path.steps[self.lowest - up].index;
                    all.splice(index..=index, children.drain(..));
                    if nodes.is_empty() {
                        children = all;
                        continue;
                    }
                    adopt(&nodes, all, |node| node.children.inners());
                }
                None => adopt(&nodes, std::mem::take(&mut children), |node| node.children.inners()),
            }
            children = nodes.into_iter().map(shared).collect();
            built.inners.extend_from_slice(&children);
        }
        built.top = match (children.as_slice(), built.leaves.as_slice()) {
            (&[node], _) => Top::Inner(node),
            (_, &[leaf]) => Top::Leaf(leaf),
            _ => unreachable!("one node takes the place of one"),
        };
        built
    }
}

impl<'g, K: 'g, V: 'g> Built<'g, K, V> {
    /// Locks the new nodes, so that nothing that the old ones name is taken out before these are marked.
    fn lock(&self) -> Vec<MutexGuard<'g, ()>> {
        let leaves = self.leaves.iter().map(|leaf| {
            // SAFETY: not null, and ours alone until it is published; then protected, being made under the guard.
            hold(&unsafe { leaf.deref() }.lock)
        });
        let inners = self.inners.iter().map(|node| {
            // SAFETY: as above.
            hold(&unsafe { node.deref() }.lock)
        });
        leaves.chain(inners).collect()
    }
}

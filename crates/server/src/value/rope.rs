//! A rope: a persistent sequence of elements, a balanced tree over leaves of packed elements.
//!
//! ```text
//!                 Branch 300 elements, height 2
//!              ┌───────┴────────┐
//!        Branch 200, 1       Leaf 100
//!        ┌────┴────┐
//!    Leaf 90    Leaf 110        a leaf: up to LEAF_ELEMENTS elements in LEAF_BYTES bytes, or one element of any size
//! ```
//! Nodes never change: an operation makes the nodes of one path anew and shares the others.
//!
//! # Invariants
//! 1. No leaf is empty.
//! 2. The heights of a branch's two sides differ by one at most (an AVL tree whose elements are all in leaves).
//! 3. A branch knows the elements and bytes below it.
//!
//! Joining two trees walks down the taller one's near side to a subtree of the other's height, and balances on the way back; splitting is
//! joining what lies left and right of one path (Adams; Blelloch, Ferizovic and Sun, "Just Join for Parallel Ordered Sets", 2016).

use super::element::Run;
use std::sync::Arc;

/// Elements and bytes of a leaf that is shared with its neighbours.
pub(crate) const LEAF_ELEMENTS: usize = 128;
pub(crate) const LEAF_BYTES: usize = 2048;

pub(crate) type Link = Arc<Node>;

/// A rope of at least one element.
pub(crate) enum Node {
    Leaf { count: u32, bytes: Box<[u8]> },
    Branch { left: Link, right: Link, height: u8, count: usize, bytes: usize },
}

impl Node {
    /// Elements.
    pub(crate) fn count(&self) -> usize {
        match self {
            Node::Leaf { count, .. } => *count as usize,
            Node::Branch { count, .. } => *count,
        }
    }

    /// Bytes, lengths included.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Node::Leaf { bytes, .. } => bytes.len(),
            Node::Branch { bytes, .. } => *bytes,
        }
    }

    fn height(&self) -> u8 {
        match self {
            Node::Leaf { .. } => 0,
            Node::Branch { height, .. } => *height,
        }
    }

    /// A leaf's elements.
    pub(crate) fn run(&self) -> Option<Run<'_>> {
        match self {
            Node::Leaf { count, bytes } => Some(Run { count: *count as usize, bytes }),
            Node::Branch { .. } => None,
        }
    }
}

/// A leaf of these elements, or nothing if there are none.
pub(crate) fn leaf(count: usize, parts: &[&[u8]]) -> Option<Link> {
    let bytes = || parts.concat().into_boxed_slice();
    (count > 0).then(|| Arc::new(Node::Leaf { count: count as u32, bytes: bytes() }))
}

/// Whether so much fits into one leaf. One element always does.
pub(crate) fn fits(count: usize, bytes: usize) -> bool {
    count <= 1 || (count <= LEAF_ELEMENTS && bytes <= LEAF_BYTES)
}

fn branch(left: Link, right: Link) -> Link {
    let height = left.height().max(right.height()) + 1;
    let (count, bytes) = (left.count() + right.count(), left.bytes() + right.bytes());
    Arc::new(Node::Branch { left, right, height, count, bytes })
}

/// A branch's sides.
fn sides(node: &Link) -> Option<(&Link, &Link)> {
    match &**node {
        Node::Branch { left, right, .. } => Some((left, right)),
        Node::Leaf { .. } => None,
    }
}

/// `left` followed by `right`, whose heights differ by two at most.
fn balanced(left: Link, right: Link) -> Link {
    let (l, r) = (left.height(), right.height());
    if l > r + 1
        && let Some((outer, inner)) = sides(&left)
    {
        if outer.height() < inner.height()
            && let Some((a, b)) = sides(inner)
        {
            return branch(branch(outer.clone(), a.clone()), branch(b.clone(), right));
        }
        return branch(outer.clone(), branch(inner.clone(), right));
    }
    if r > l + 1
        && let Some((inner, outer)) = sides(&right)
    {
        if outer.height() < inner.height()
            && let Some((a, b)) = sides(inner)
        {
            return branch(branch(left, a.clone()), branch(b.clone(), outer.clone()));
        }
        return branch(branch(left, inner.clone()), outer.clone());
    }
    branch(left, right)
}

fn join(left: Link, right: Link) -> Link {
    let (l, r) = (left.height(), right.height());
    if l > r + 1
        && let Some((outer, inner)) = sides(&left)
    {
        return balanced(outer.clone(), join(inner.clone(), right));
    }
    if r > l + 1
        && let Some((inner, outer)) = sides(&right)
    {
        return balanced(join(left, inner.clone()), outer.clone());
    }
    branch(left, right)
}

/// `left` followed by `right`, their leaves as they are.
///
/// # Cost
/// O(difference of the heights).
pub(crate) fn append(left: Option<Link>, right: Option<Link>) -> Option<Link> {
    match (left, right) {
        (Some(left), Some(right)) => Some(join(left, right)),
        (left, right) => left.or(right),
    }
}

/// `left` followed by `right`; the leaves that meet become one if they fit, so that cutting and joining leaves no crumbs.
///
/// # Cost
/// O(log n).
pub(crate) fn concat(left: Option<Link>, right: Option<Link>) -> Option<Link> {
    let (Some(l), Some(r)) = (&left, &right) else { return left.or(right) };
    let (last, first) = (edge(l, false), edge(r, true));
    let (Some(a), Some(b)) = (last.run(), first.run()) else { return append(left, right) };
    if !fits(a.count + b.count, a.bytes.len() + b.bytes.len()) {
        return append(left, right);
    }
    let middle = leaf(a.count + b.count, &[a.bytes, b.bytes]);
    let (before, _) = split(l, l.count() - a.count);
    let (_, after) = split(r, b.count);
    append(append(before, middle), after)
}

/// The first or last leaf.
pub(crate) fn edge(mut node: &Link, first: bool) -> &Link {
    while let Some((left, right)) = sides(node) {
        node = if first { left } else { right };
    }
    node
}

/// The first `at` elements, and the others.
///
/// # Cost
/// O(log n), and a copy of the leaf that is cut.
pub(crate) fn split(node: &Link, at: usize) -> (Option<Link>, Option<Link>) {
    if at == 0 {
        return (None, Some(node.clone()));
    }
    if at >= node.count() {
        return (Some(node.clone()), None);
    }
    match &**node {
        Node::Leaf { count, bytes } => {
            let count = *count as usize;
            let (a, b) = bytes.split_at(Run { count, bytes }.offset(at));
            (leaf(at, &[a]), leaf(count - at, &[b]))
        }
        Node::Branch { left, right, .. } if at < left.count() => {
            let (a, b) = split(left, at);
            (a, append(b, Some(right.clone())))
        }
        Node::Branch { left, right, .. } => {
            let (a, b) = split(right, at - left.count());
            (append(Some(left.clone()), a), b)
        }
    }
}

/// The leaves in order, or in the opposite order.
pub(crate) struct Leaves<'a> {
    pub(crate) stack: Vec<&'a Node>,
    pub(crate) backward: bool,
    /// Elements to pass over, from where the walk begins.
    pub(crate) skip: usize,
}

impl<'a> Iterator for Leaves<'a> {
    type Item = Run<'a>;

    fn next(&mut self) -> Option<Run<'a>> {
        while let Some(node) = self.stack.pop() {
            if node.count() <= self.skip {
                self.skip -= node.count();
                continue;
            }
            match node {
                Node::Leaf { count, bytes } => return Some(Run { count: *count as usize, bytes }),
                Node::Branch { left, right, .. } if self.backward => {
                    self.stack.extend([&**left, right]);
                }
                Node::Branch { left, right, .. } => self.stack.extend([&**right, left]),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::element::push_element;

    fn check(node: &Node) {
        if let Node::Branch { left, right, height, count, bytes } = node {
            assert!(left.height().abs_diff(right.height()) <= 1);
            assert_eq!(*height, left.height().max(right.height()) + 1);
            assert_eq!(*count, left.count() + right.count());
            assert_eq!(*bytes, left.bytes() + right.bytes());
            check(left);
            check(right);
        } else {
            let run = node.run().unwrap();
            assert!(run.count > 0 && run.elements().count() == run.count);
        }
    }

    fn one(n: u32) -> Option<Link> {
        let mut bytes = Vec::new();
        push_element(&mut bytes, &n.to_le_bytes());
        leaf(1, &[&bytes])
    }

    fn read(rope: Option<&Link>) -> Vec<u32> {
        let stack = rope.map(|node| &**node).into_iter().collect();
        let leaves = Leaves { stack, backward: false, skip: 0 };
        leaves
            .flat_map(|run| run.elements())
            .map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()))
            .collect()
    }

    #[test]
    fn splitting_and_joining_keep_order_and_balance() {
        let mut random = fastrand::Rng::with_seed(3);
        let (mut rope, mut model) = (None, Vec::new());
        for n in 0..4_000u32 {
            let at = random.usize(..=model.len());
            let (left, right) = rope.as_ref().map_or((None, None), |rope| split(rope, at));
            rope = concat(concat(left, one(n)), right);
            model.insert(at, n);
            if n % 5 == 4 {
                let from = random.usize(..model.len());
                let to = (from + random.usize(..20)).min(model.len());
                let (left, rest) = split(rope.as_ref().unwrap(), from);
                let right = rest.and_then(|rest| split(&rest, to - from).1);
                rope = concat(left, right);
                model.drain(from..to);
            }
            if n % 100 == 0 {
                check(rope.as_ref().unwrap());
                assert_eq!(read(rope.as_ref()), model);
            }
        }
        let rope = rope.unwrap();
        check(&rope);
        assert!(usize::from(rope.height()) < 12, "{}", rope.height());
    }
}

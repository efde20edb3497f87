//! Scored members in order, each reached by its rank: a persistent balanced tree with counts.
//!
//! ```text
//!  inner  [ first entry · entries below · node │ … ]      all leaves at the same depth
//!  leaf   [ score · member │ … ]                          at most 32 of either
//! ```
//! A change copies the nodes on its way that other versions share, and works in place in those that none does.
//!
//! # Invariants
//! 1. Entries ascend by score, those of one score by member.
//! 2. `first` and the count of a child are those of its node; no node but the root is empty.
//!
//! Source: the B-tree with counts of Knuth, The Art of Computer Programming, vol. 3, 6.2.4; path copying as Driscoll et al., Making Data
//! Structures Persistent (1989).

use super::numbered::Bytes;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// Entries or children of a node, at most.
const MAX: usize = 32;
/// A node with fewer is merged with a neighbour, if both fit into one.
const MIN: usize = 8;

/// A member with its score, which is a number.
#[derive(Clone)]
pub(crate) struct Scored {
    pub(crate) score: f64,
    pub(crate) member: Bytes,
}

/// The order of sorted sets.
pub(super) fn order(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal).then_with(|| a.1.cmp(b.1))
}

impl Scored {
    fn is_before(&self, score: f64, member: &[u8]) -> bool {
        order((self.score, &self.member), (score, member)).is_lt()
    }
}

#[derive(Clone)]
enum Node {
    Leaf(Vec<Scored>),
    Inner(Vec<Child>),
}

#[derive(Clone)]
struct Child {
    first: Scored,
    len: usize,
    node: Arc<Node>,
}

/// A tree; a clone costs one reference count, a change or a search O(log n).
#[derive(Clone)]
pub(crate) struct RankedTree {
    root: Arc<Node>,
}

impl RankedTree {
    pub(crate) fn new() -> Self {
        RankedTree { root: Arc::new(Node::Leaf(Vec::new())) }
    }

    pub(crate) fn len(&self) -> usize {
        self.root.len()
    }

    /// How many entries, from the first, satisfy `is_before`. No entry that does may follow one that does not.
    pub(crate) fn partition_point(&self, is_before: impl Fn(&Scored) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match &**node {
                Node::Leaf(entries) => return rank + entries.partition_point(is_before),
                Node::Inner(children) => {
                    let at = children.partition_point(|child| is_before(&child.first));
                    let at = at.saturating_sub(1);
                    rank += children[..at].iter().map(|child| child.len).sum::<usize>();
                    node = &children[at].node;
                }
            }
        }
    }

    /// The rank of an entry, or that which it would have.
    pub(crate) fn rank(&self, score: f64, member: &[u8]) -> usize {
        self.partition_point(|entry| entry.is_before(score, member))
    }

    /// Visits the entries of these ranks, the last one first if so wanted.
    pub(crate) fn for_each_in<'t>(
        &'t self,
        ranks: Range<usize>,
        reverse: bool,
        mut f: impl FnMut(&'t Scored),
    ) {
        let ranks = ranks.start..ranks.end.min(self.len());
        self.root.for_each_in(ranks, reverse, &mut f);
    }

    /// Adds an entry that is not there.
    pub(crate) fn insert(&mut self, entry: Scored) {
        if let Some(right) = insert(&mut self.root, entry) {
            let left = std::mem::replace(&mut self.root, Arc::new(Node::Leaf(Vec::new())));
            self.root = Arc::new(Node::Inner(Child::of(left).into_iter().chain([right]).collect()));
        }
    }

    /// Removes an entry; whether it was there.
    pub(crate) fn remove(&mut self, score: f64, member: &[u8]) -> bool {
        let removed = remove(&mut self.root, score, member);
        // A root with one child is that child; one without any is an empty leaf.
        while let Node::Inner(children) = &*self.root {
            self.root = match &children[..] {
                [] => Arc::new(Node::Leaf(Vec::new())),
                [only] => Arc::clone(&only.node),
                _ => break,
            };
        }
        removed
    }
}

impl Child {
    /// `None`: the node is empty.
    fn of(node: Arc<Node>) -> Option<Child> {
        let first = node.first()?.clone();
        Some(Child { first, len: node.len(), node })
    }

    /// Brings `first` and the count up to date. Whether the node has any entry left.
    fn refresh(&mut self) -> bool {
        self.len = self.node.len();
        if let Some(first) = self.node.first() {
            self.first = first.clone();
        }
        self.len > 0
    }
}

impl Node {
    fn len(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Inner(children) => children.iter().map(|child| child.len).sum(),
        }
    }

    fn first(&self) -> Option<&Scored> {
        match self {
            Node::Leaf(entries) => entries.first(),
            Node::Inner(children) => children.first().map(|child| &child.first),
        }
    }

    /// Entries or children.
    fn width(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Inner(children) => children.len(),
        }
    }

    fn for_each_in<'t>(
        &'t self,
        ranks: Range<usize>,
        reverse: bool,
        f: &mut dyn FnMut(&'t Scored),
    ) {
        match self {
            Node::Leaf(entries) => {
                let entries = entries.get(ranks).unwrap_or_default();
                match reverse {
                    false => entries.iter().for_each(f),
                    true => entries.iter().rev().for_each(f),
                }
            }
            Node::Inner(children) => {
                let mut begin = if reverse { self.len() } else { 0 };
                for step in 0..children.len() {
                    let child = &children[if reverse { children.len() - 1 - step } else { step }];
                    if reverse {
                        begin -= child.len;
                    }
                    let from = ranks.start.saturating_sub(begin);
                    let to = ranks.end.saturating_sub(begin).min(child.len);
                    if from < to {
                        child.node.for_each_in(from..to, reverse, f);
                    }
                    if !reverse {
                        begin += child.len;
                    }
                }
            }
        }
    }
}

/// Takes the right half of what has become too large. What grew at its end leaves little to the right, since more may come there.
fn split<T>(parts: &mut Vec<T>, grew_at: usize) -> Option<Vec<T>> {
    if parts.len() <= MAX {
        return None;
    }
    let at = if grew_at + 1 == parts.len() { MAX - MIN / 2 } else { MAX / 2 };
    Some(parts.split_off(at))
}

/// Inserts below a node; the node to the right of it, if it was split.
fn insert(node: &mut Arc<Node>, entry: Scored) -> Option<Child> {
    let right = match Arc::make_mut(node) {
        Node::Leaf(entries) => {
            let at = entries.partition_point(|there| there.is_before(entry.score, &entry.member));
            entries.insert(at, entry);
            Node::Leaf(split(entries, at)?)
        }
        Node::Inner(children) => {
            let at = child_of(children, entry.score, &entry.member);
            let child = &mut children[at];
            let right = insert(&mut child.node, entry);
            child.refresh();
            let right = right?;
            children.insert(at + 1, right);
            Node::Inner(split(children, at + 1)?)
        }
    };
    Child::of(Arc::new(right))
}

/// The child in whose range an entry is.
fn child_of(children: &[Child], score: f64, member: &[u8]) -> usize {
    let is_after =
        |child: &Child| order((child.first.score, &child.first.member), (score, member)).is_gt();
    children.partition_point(|child| !is_after(child)).saturating_sub(1)
}

fn remove(node: &mut Arc<Node>, score: f64, member: &[u8]) -> bool {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => {
            let at = entries.partition_point(|there| there.is_before(score, member));
            let is_there = entries
                .get(at)
                .is_some_and(|there| order((there.score, &there.member), (score, member)).is_eq());
            if is_there {
                entries.remove(at);
            }
            is_there
        }
        Node::Inner(children) => {
            let at = child_of(children, score, member);
            let Some(child) = children.get_mut(at) else { return false };
            if !remove(&mut child.node, score, member) {
                return false;
            }
            if !child.refresh() {
                children.remove(at);
            } else if child.node.width() < MIN {
                merge(children, at);
            }
            true
        }
    }
}

/// Merges a child with a neighbour, if both fit into one node.
fn merge(children: &mut Vec<Child>, at: usize) {
    let left = at.saturating_sub(1);
    let fits = match (children.get(left), children.get(left + 1)) {
        (Some(left), Some(right)) => left.node.width() + right.node.width() <= MAX,
        _ => false,
    };
    if !fits {
        return;
    }
    let right = children.remove(left + 1);
    let left = &mut children[left];
    match (Arc::make_mut(&mut left.node), &*right.node) {
        (Node::Leaf(to), Node::Leaf(from)) => to.extend_from_slice(from),
        (Node::Inner(to), Node::Inner(from)) => to.extend_from_slice(from),
        // All leaves are at the same depth.
        _ => debug_assert!(false, "neighbours of different height"),
    }
    left.refresh();
}

#[cfg(test)]
mod tests;

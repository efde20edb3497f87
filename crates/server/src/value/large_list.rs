//! A large list: persistent, so that a version of a list of a million elements shares all but a few nodes with the one before.
//!
//! ```text
//!  head: one leaf or none │ middle: a rope │ tail: one leaf or none
//! ```
//! Pushing and popping copy one leaf at that end; the leaf goes to the rope when it is full, and a new one comes from it when it is empty.
//! Everything else is done on the rope of all three.

use super::element::{Run, packed_bytes, push_element};
use super::rope::{
    LEAF_BYTES, LEAF_ELEMENTS, Leaves, Link, append, concat, edge, fits, leaf, split,
};

/// What a leaf costs beside its elements, with its share of the branches.
const NODE_BYTES: usize = 128;

/// The elements; a clone costs three reference counts.
#[derive(Clone, Default)]
pub(crate) struct LargeList {
    head: Option<Link>,
    middle: Option<Link>,
    tail: Option<Link>,
}

fn count(part: &Option<Link>) -> usize {
    part.as_ref().map_or(0, |node| node.count())
}

impl LargeList {
    /// Of packed elements.
    pub(crate) fn of(run: Run<'_>) -> Self {
        let mut list = LargeList::default();
        run.elements().for_each(|element| list.push(element, false));
        list
    }

    fn parts(&self) -> [&Option<Link>; 3] {
        [&self.head, &self.middle, &self.tail]
    }

    pub(crate) fn len(&self) -> usize {
        self.parts().into_iter().map(count).sum()
    }

    /// Bytes of the elements, lengths included.
    pub(crate) fn bytes(&self) -> usize {
        self.parts().into_iter().flatten().map(|node| node.bytes()).sum()
    }

    /// About as many bytes as the list takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let bytes = self.bytes();
        bytes + (bytes / LEAF_BYTES + self.len() / LEAF_ELEMENTS + 1) * NODE_BYTES
    }

    /// The leaves in order, those before element `skip` left out (the first of the rest may begin before it: `Leaves::skip` tells how much); or,
    /// `backward`, from the end.
    pub(crate) fn leaves(&self, skip: usize, backward: bool) -> Leaves<'_> {
        let mut stack: Vec<_> = self.parts().into_iter().flatten().map(|node| &**node).collect();
        if !backward {
            stack.reverse();
        }
        Leaves { stack, backward, skip }
    }

    /// All of it as one rope.
    fn whole(&self) -> Option<Link> {
        concat(concat(self.head.clone(), self.middle.clone()), self.tail.clone())
    }

    /// Adds an element at the front or at the end.
    ///
    /// # Cost
    /// A copy of at most one leaf; once per leaf O(log n).
    pub(crate) fn push(&mut self, element: &[u8], front: bool) {
        let mut bytes = Vec::with_capacity(packed_bytes(element));
        push_element(&mut bytes, element);
        let end = if front { &mut self.head } else { &mut self.tail };
        if let Some(run) = end.as_ref().and_then(|node| node.run())
            && fits(run.count + 1, run.bytes.len() + bytes.len())
        {
            let parts = if front { [&bytes[..], run.bytes] } else { [run.bytes, &bytes[..]] };
            *end = leaf(run.count + 1, &parts);
            return;
        }
        let full = std::mem::replace(end, leaf(1, &[&bytes]));
        let middle = self.middle.take();
        self.middle = if front { append(full, middle) } else { append(middle, full) };
    }

    /// Removes the first or last `n` elements.
    ///
    /// # Cost
    /// As [`push`](LargeList::push) if few; else O(log n).
    pub(crate) fn drop(&mut self, n: usize, front: bool) {
        let (near, far) =
            if front { (&mut self.head, &mut self.tail) } else { (&mut self.tail, &mut self.head) };
        let mut left = n;
        for part in [&mut *near, &mut self.middle] {
            let cut = left.min(count(part));
            *part = part.take().and_then(|node| without(&node, cut, front));
            left -= cut;
        }
        if left > 0 {
            *far = far.take().and_then(|node| without(&node, left, front));
        }
        if near.is_none()
            && let Some(middle) = self.middle.take()
        {
            let next = edge(&middle, front).clone();
            self.middle = without(&middle, next.count(), front);
            *near = Some(next);
        }
    }

    /// Removes the elements from `start` to before `end`.
    pub(crate) fn remove(&mut self, start: usize, end: usize) {
        let len = self.len();
        if start == 0 {
            return self.drop(end, true);
        }
        if end >= len {
            return self.drop(len.saturating_sub(start), false);
        }
        let Some(whole) = self.whole() else { return };
        let (before, _) = split(&whole, start);
        let (_, after) = split(&whole, end);
        *self = LargeList { middle: concat(before, after), ..LargeList::default() };
    }

    /// Puts an element before the one of that number.
    pub(crate) fn insert(&mut self, number: usize, element: &[u8]) {
        if number == 0 || number >= self.len() {
            return self.push(element, number == 0);
        }
        let Some(whole) = self.whole() else { return };
        let (before, after) = split(&whole, number);
        let mut bytes = Vec::with_capacity(packed_bytes(element));
        push_element(&mut bytes, element);
        let middle = concat(concat(before, leaf(1, &[&bytes])), after);
        *self = LargeList { middle, ..LargeList::default() };
    }
}

/// A rope without its first or last `n` elements.
fn without(node: &Link, n: usize, front: bool) -> Option<Link> {
    if front { split(node, n).1 } else { split(node, node.count() - n.min(node.count())).0 }
}

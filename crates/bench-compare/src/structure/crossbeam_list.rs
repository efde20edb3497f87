//! Harris' sorted list on crossbeam-epoch: removal as Michael does it, a get that walks over marked nodes.
//!
//! A node is removed by marking its own link (tag 1), then unlinked by whoever comes by.

use crossbeam_epoch::{Atomic, Guard, Owned, Shared, pin};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

struct Node {
    key: u64,
    value: u64,
    next: Atomic<Node>,
}

pub(super) struct CrossbeamList {
    head: Atomic<Node>,
}

/// Where a key is or would be: the link to it, and what that held.
type Place<'g> = (&'g Atomic<Node>, Shared<'g, Node>);

impl CrossbeamList {
    pub(super) fn new() -> Self {
        CrossbeamList { head: Atomic::null() }
    }

    pub(super) fn get(&self, key: u64) -> Option<u64> {
        let guard = &pin();
        let mut at = self.head.load(Acquire, guard);
        // SAFETY: loaded under the guard, and nodes are retired only after they were unlinked.
        while let Some(node) = unsafe { at.as_ref() } {
            let next = node.next.load(Acquire, guard);
            if node.key >= key {
                return (node.key == key && next.tag() == 0).then_some(node.value);
            }
            at = next.with_tag(0);
        }
        None
    }

    /// The first node whose key is not less; unlinks marked ones on the way. `None`: the list changed, again.
    fn find<'g>(&'g self, key: u64, guard: &'g Guard) -> Option<Place<'g>> {
        let mut link = &self.head;
        let mut at = link.load(Acquire, guard);
        // SAFETY: as in `get`.
        while let Some(node) = unsafe { at.as_ref() } {
            let next = node.next.load(Acquire, guard);
            if next.tag() == 1 {
                let next = next.with_tag(0);
                link.compare_exchange(at, next, AcqRel, Relaxed, guard).ok()?;
                // SAFETY: unlinked just now, by us alone.
                unsafe { guard.defer_destroy(at) };
                at = next;
                continue;
            }
            if node.key >= key {
                break;
            }
            link = &node.next;
            at = next;
        }
        Some((link, at))
    }

    fn search<'g>(&'g self, key: u64, guard: &'g Guard) -> Place<'g> {
        loop {
            if let Some(place) = self.find(key, guard) {
                return place;
            }
        }
    }

    pub(super) fn insert(&self, key: u64) {
        let guard = &pin();
        let mut node = Owned::new(Node { key, value: key, next: Atomic::null() });
        loop {
            let (link, at) = self.search(key, guard);
            // SAFETY: as in `get`.
            if unsafe { at.as_ref() }.is_some_and(|found| found.key == key) {
                return;
            }
            node.next.store(at, Relaxed);
            match link.compare_exchange(at, node, AcqRel, Relaxed, guard) {
                Ok(_) => return,
                Err(refused) => node = refused.new,
            }
        }
    }

    pub(super) fn remove(&self, key: u64) {
        let guard = &pin();
        loop {
            let (link, at) = self.search(key, guard);
            // SAFETY: as in `get`.
            let Some(node) = (unsafe { at.as_ref() }).filter(|node| node.key == key) else {
                return;
            };
            let next = node.next.load(Acquire, guard);
            let marked = next.with_tag(1);
            if next.tag() == 1
                || node.next.compare_exchange(next, marked, AcqRel, Relaxed, guard).is_err()
            {
                continue;
            }
            if link.compare_exchange(at, next, AcqRel, Relaxed, guard).is_ok() {
                // SAFETY: unlinked just now, by us alone.
                unsafe { guard.defer_destroy(at) };
            }
            return;
        }
    }
}

impl Drop for CrossbeamList {
    fn drop(&mut self) {
        let guard = &pin();
        let mut at = self.head.load(Relaxed, guard);
        while !at.is_null() {
            // SAFETY: nobody else has the list.
            let node = unsafe { at.with_tag(0).into_owned() };
            at = node.next.load(Relaxed, guard).with_tag(0);
        }
    }
}

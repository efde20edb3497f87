//! [`Backlog`]: retired nodes that belong to no thread: held back by a reader, left behind by a thread that exited, or too many
//! for one thread to reclaim at once.
//!
//! ```text
//! BacklogStack ──▶ Posted ──▶ Posted ──▶ null        pushed one by one, taken all at once
//!                  └ Backlog { waiting: sealed bags not yet covered by a heavy fence,
//!                              aged:    m ─▶ Group { nodes (r, node) … },
//!                              ready:   free to go }
//! ```
//! Each sweep takes the stack, looks, and puts back what is left, so the nodes behind a stalled reader are nobody's in particular:
//! when it goes, any thread's sweep or flush gets at them, although the thread that retired them may be idle by then.
//!
//! 1. A group holds nodes with `birth ≤ m`, each of which had a covering reader (see `bag`) of upper end `≥ m` when last looked at.
//! 2. `covering` grows with the retire epoch, hence a group whose oldest retirement is still covered by `≥ m` is left alone, and a
//!    node is looked at only when the readers above it have changed: no rescans.
//! 3. A node keeps its own retire epoch, so it is held back by exactly the readers that the rule names. (Merging bags under the
//!    later epoch would hand a node on from one long reader to the next.)
//! 4. A look is budgeted; a group is a ring, so that a pass over it goes on where it stopped.
//!
//! Tags: `[post]` Release CAS of the head in `push` / Acquire swap in `take_all`: a backlog changes hands.

use crate::chunks::Chunks;
use crate::leased::bag::{SealedBag, Summary};
use crate::retired::{Retired, size};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ptr;
use stillpoint_primitive::sync::atomic::{AtomicPtr, Ordering};

struct Aged {
    retired_at: u64,
    node: Retired,
}

struct Group {
    nodes: Chunks<Aged>,
    /// No node of the group was retired earlier.
    oldest: u64,
    /// Nodes at the front that the pass under way has yet to look at.
    pass: usize,
    /// `oldest` as it will be at the end of the pass.
    oldest_seen: u64,
}

impl Default for Group {
    fn default() -> Self {
        Group { nodes: Chunks::default(), oldest: u64::MAX, pass: 0, oldest_seen: u64::MAX }
    }
}

impl Group {
    fn push(&mut self, retired_at: u64, node: Retired) {
        self.oldest = self.oldest.min(retired_at);
        self.oldest_seen = self.oldest_seen.min(retired_at);
        self.nodes.push_back(Aged { retired_at, node });
    }

    fn absorb(&mut self, mut other: Group) {
        if self.nodes.len() < other.nodes.len() {
            core::mem::swap(self, &mut other);
        }
        self.oldest = self.oldest.min(other.oldest);
        self.oldest_seen = self.oldest_seen.min(other.oldest);
        self.nodes.append(other.nodes);
    }
}

/// See the header.
#[derive(Default)]
pub(crate) struct Backlog {
    waiting: Vec<SealedBag>,
    aged: BTreeMap<u64, Group>,
    ready: Chunks<Retired>,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.aged.is_empty() && self.ready.is_empty()
    }

    /// Lets nodes age that a reader with upper end `reader` holds back.
    pub(crate) fn keep(
        &mut self,
        reader: u64,
        retired_at: u64,
        nodes: impl ExactSizeIterator<Item = Retired>,
    ) {
        if nodes.len() > 0 {
            let group = self.aged.entry(reader).or_default();
            nodes.for_each(|node| group.push(retired_at, node));
        }
    }

    /// Takes over what an exiting thread leaves.
    pub(crate) fn inherit(&mut self, sealed: &mut Vec<SealedBag>, ready: &mut Vec<Retired>) {
        self.waiting.append(sealed);
        ready.drain(..).for_each(|node| self.ready.push_back(node));
    }

    fn absorb(&mut self, mut other: Backlog) {
        self.waiting.append(&mut other.waiting);
        if self.ready.len() < other.ready.len() {
            core::mem::swap(&mut self.ready, &mut other.ready);
        }
        self.ready.append(other.ready);
        for (reader, group) in other.aged {
            self.aged.entry(reader).or_default().absorb(group);
        }
    }

    /// Looks at up to `budget` aged nodes and at the bags that a heavy fence has covered; what nobody holds becomes ready.
    pub(crate) fn sift(&mut self, summary: &Summary, fenced: u64, mut budget: usize) {
        let mut ready = core::mem::take(&mut self.ready);
        let mut free = Vec::new();
        for bag in core::mem::take(&mut self.waiting) {
            if bag.retired_at < fenced {
                let _ = bag.sift(summary, &mut free, self);
                free.drain(..).for_each(|node| ready.push_back(node));
            } else {
                self.waiting.push(bag);
            }
        }
        let due = |group: &Group, reader| summary.covering(group.oldest).is_none_or(|m| m < reader);
        let fallen: Vec<u64> =
            self.aged.iter().filter(|(m, group)| due(group, **m)).map(|(m, _)| *m).collect();
        for reader in fallen {
            self.examine(reader, summary, &mut budget, &mut ready);
        }
        self.ready = ready;
    }

    /// Goes on with the pass over the group of `reader`, or begins one.
    fn examine(
        &mut self,
        reader: u64,
        summary: &Summary,
        budget: &mut usize,
        ready: &mut Chunks<Retired>,
    ) {
        let Some(mut group) = self.aged.remove(&reader) else { return };
        if group.pass == 0 {
            group.pass = group.nodes.len();
            group.oldest_seen = u64::MAX;
        }
        let looks = group.pass.min(*budget);
        *budget -= looks;
        group.pass -= looks;
        for _ in 0..looks {
            let Some(Aged { retired_at, node }) = group.nodes.pop_front() else { break };
            match summary.covering(retired_at) {
                Some(m) if m >= reader => group.push(retired_at, node),
                Some(m) if node.birth.get() <= m => {
                    self.keep(m, retired_at, core::iter::once(node));
                }
                _ => ready.push_back(node),
            }
        }
        if group.pass == 0 {
            group.oldest = group.oldest_seen;
        }
        if !group.nodes.is_empty() {
            self.aged.entry(reader).or_default().absorb_whole(group);
        }
    }

    /// Moves up to `count` ready nodes to `into`.
    pub(crate) fn take_ready(&mut self, count: usize, into: &mut Vec<Retired>) {
        into.extend(core::iter::from_fn(|| self.ready.pop_front()).take(count));
    }

    /// Nodes and their bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        let waiting = self.waiting.iter().flat_map(|bag| &bag.entries);
        let aged = self.aged.values().flat_map(|group| group.nodes.iter()).map(|aged| &aged.node);
        size(self.ready.iter().chain(waiting).chain(aged))
    }

    /// Everything, for a collector that goes.
    pub(crate) fn into_nodes(self) -> impl Iterator<Item = Retired> {
        let waiting = self.waiting.into_iter().flat_map(|bag| bag.entries);
        let aged = self.aged.into_values().flat_map(|group| group.nodes).map(|aged| aged.node);
        self.ready.into_iter().chain(waiting).chain(aged)
    }
}

impl Group {
    /// As `absorb`, into a group that is empty but for chance: keeps the pass of `other`.
    fn absorb_whole(&mut self, other: Group) {
        if self.nodes.is_empty() {
            *self = other;
        } else {
            self.absorb(other);
        }
    }
}

/// A backlog on the stack.
pub(crate) struct Posted {
    backlog: Backlog,
    next: *mut Posted,
}

/// How often a push tries before the caller keeps the backlog until its next sweep: the wait-free bound.
const PUSH_TRIES: usize = 8;

/// The collector's backlogs. Taken all at once, so the stack has no ABA: a CAS that succeeds has found the head it links to.
pub(crate) struct BacklogStack {
    head: AtomicPtr<Posted>,
}

impl BacklogStack {
    pub(crate) fn new() -> Self {
        BacklogStack { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Posts `backlog`; hands it back when too many others were faster.
    pub(crate) fn push(&self, backlog: Backlog) -> Result<(), Backlog> {
        let posted = Box::into_raw(Box::new(Posted { backlog, next: ptr::null_mut() }));
        // Relaxed [post]: only compared and linked to, the CAS below decides.
        let mut head = self.head.load(Ordering::Relaxed);
        for _ in 0..PUSH_TRIES {
            // SAFETY: not published yet, so ours alone.
            unsafe { (*posted).next = head };
            // Release [post]: the backlog comes with the pointer; Relaxed [post] on failure: try again.
            match self.head.compare_exchange(head, posted, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => head = now,
            }
        }
        // SAFETY: made by `Box::into_raw` above and not published.
        let posted = unsafe { Box::from_raw(posted) };
        Err(posted.backlog)
    }

    /// Whether nothing is posted, by a cheap look.
    pub(crate) fn seems_empty(&self) -> bool {
        // Relaxed [post]: only a look.
        self.head.load(Ordering::Relaxed).is_null()
    }

    /// Takes whatever has been posted, into `into`.
    pub(crate) fn take_all(&self, into: &mut Backlog) {
        if self.seems_empty() {
            return;
        }
        // Acquire [post]: takes over the backlogs.
        let mut next = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        while !next.is_null() {
            // SAFETY: made by `Box::into_raw` in `push`; the swap made the whole list ours.
            let posted = unsafe { Box::from_raw(next) };
            next = posted.next;
            into.absorb(posted.backlog);
        }
    }
}

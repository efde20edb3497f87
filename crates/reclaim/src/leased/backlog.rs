//! [`Backlog`]: retired nodes that belong to no thread: held back by a reader, left behind by a thread that exited, or too many
//! for one thread to reclaim at once.
//!
//! ```text
//! BacklogStack ──▶ Posted ──▶ Posted ──▶ null        pushed one by one, taken all at once
//!                  └ Backlog { waiting: sealed bags not yet covered by a heavy fence,
//!                              aged:    m ─▶ Group { nodes (r, node) … },
//!                              ready:   free to go }
//! ```
//! Each sweep takes the stack, splits off a piece that it can deal with, and puts the rest back before it looks at anything. So the nodes behind a
//! stalled reader are nobody's in particular: when it goes, any thread's sweep or flush gets at them, although the thread that retired them may
//! be idle by then; and all threads that sweep at the same time have their share of the work, however long a look takes.
//!
//! 1. A group holds nodes with `birth ≤ m`, each of which had a covering reader (see `bag`) of upper end `≥ m` when last looked at.
//! 2. `covering` grows with the retire epoch, hence a group whose oldest retirement is still covered by `≥ m` is left alone, and a
//!    node is looked at only when the readers above it have changed: no rescans.
//! 3. A node keeps its own retire epoch, so it is held back by exactly the readers that the rule names. (Merging bags under the
//!    later epoch would hand a node on from one long reader to the next.)
//! 4. A look is budgeted; a group is a ring, so that a pass over it goes on where it stopped, whoever goes on with it.
//! 5. Nodes are looked at with a scan of the reservations that came after they were taken from the stack: who posted them may know of readers that
//!    an earlier scan did not see.
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

/// Bags that a sweep takes out of a backlog at most.
const BAGS_PER_PIECE: usize = 8;

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

    /// Takes about `looks` nodes off, those that come next in a pass over all; begins one if none is under way.
    fn split(&mut self, looks: usize) -> Group {
        if self.pass == 0 {
            self.pass = self.nodes.len();
            self.oldest_seen = u64::MAX;
        }
        let nodes = self.nodes.split_front(self.pass.min(looks));
        let part = Group { nodes, oldest: self.oldest, pass: 0, oldest_seen: self.oldest };
        self.pass = self.pass.saturating_sub(part.nodes.len());
        if self.pass == 0 {
            self.oldest = self.oldest_seen;
        }
        part
    }

    /// Takes over the nodes of `other`, as looked at in a pass that is under way here.
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

    pub(crate) fn absorb(&mut self, mut other: Backlog) {
        self.waiting.append(&mut other.waiting);
        if self.ready.len() < other.ready.len() {
            core::mem::swap(&mut self.ready, &mut other.ready);
        }
        self.ready.append(other.ready);
        for (reader, group) in other.aged {
            self.aged.entry(reader).or_default().absorb(group);
        }
    }

    /// Splits off what one sweep deals with: about `looks` aged nodes that are due for a look, `ready` ready ones (each up to a piece more), and up to
    /// [`BAGS_PER_PIECE`] bags.
    ///
    /// # Cost
    /// O(groups); no node is touched, so that the rest is soon back where others find it.
    pub(crate) fn split(&mut self, summary: &Summary, mut looks: usize, ready: usize) -> Backlog {
        let mut piece = Backlog::default();
        piece.waiting.extend(self.waiting.drain(..self.waiting.len().min(BAGS_PER_PIECE)));
        piece.ready = self.ready.split_front(ready);
        for reader in self.due(summary) {
            if looks == 0 {
                break;
            }
            let Some(group) = self.aged.get_mut(&reader) else { continue };
            let part = group.split(looks);
            looks = looks.saturating_sub(part.nodes.len());
            if group.nodes.is_empty() {
                self.aged.remove(&reader);
            }
            piece.aged.insert(reader, part);
        }
        piece
    }

    /// The groups of which some node may be free to go.
    fn due(&self, summary: &Summary) -> Vec<u64> {
        let is_due =
            |group: &Group, reader| summary.covering(group.oldest).is_none_or(|m| m < reader);
        self.aged.iter().filter(|(m, group)| is_due(group, **m)).map(|(m, _)| *m).collect()
    }

    /// Looks at the aged nodes that are due and at the bags that a heavy fence has covered; what nobody holds becomes ready.
    pub(crate) fn sift(&mut self, summary: &Summary, fenced: u64) {
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
        for reader in self.due(summary) {
            self.examine(reader, summary, &mut ready);
        }
        self.ready = ready;
    }

    /// Goes through the group of `reader`.
    fn examine(&mut self, reader: u64, summary: &Summary, ready: &mut Chunks<Retired>) {
        let Some(group) = self.aged.remove(&reader) else { return };
        for Aged { retired_at, node } in group.nodes {
            match summary.covering(retired_at) {
                Some(m) if node.birth.get() <= m => {
                    self.keep(m.min(reader), retired_at, core::iter::once(node));
                }
                _ => ready.push_back(node),
            }
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

#[cfg(test)]
mod tests {
    use super::{Backlog, SealedBag, Summary};
    use crate::chunks::PIECE;
    use crate::epoch::Epoch;
    use crate::retired::{Birth, Retired};
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    const NODES: usize = 5_000;

    unsafe fn nothing(_: *mut u8) {}

    /// A node that is only a number.
    fn node(number: usize, birth: u64) -> Retired {
        let birth = Birth::of(Epoch::from_raw(birth));
        Retired {
            ptr: core::ptr::without_provenance_mut(number),
            bytes: 1,
            reclaim: nothing,
            birth,
        }
    }

    /// Nodes retired at 100, 101, …, all held back by a reader that reaches to 90.
    fn aged() -> Backlog {
        let mut backlog = Backlog::default();
        for number in 0..NODES {
            backlog.keep(90, 100 + number as u64, core::iter::once(node(number, 80)));
        }
        backlog
    }

    fn readers(readers: &[(u64, u64)]) -> Summary {
        let mut summary = Summary::default();
        summary.refill(readers.iter().copied());
        summary
    }

    fn free(backlog: &mut Backlog) -> Vec<usize> {
        let mut ready = Vec::new();
        backlog.take_ready(usize::MAX, &mut ready);
        ready.iter().map(|node| node.ptr.addr()).collect()
    }

    #[test]
    fn a_piece_is_bounded_and_the_rest_is_left_to_others() {
        let (mut backlog, summary) = (aged(), readers(&[]));
        let mut pieces = Vec::new();
        while !backlog.is_empty() {
            let before = backlog.size().0;
            let mut piece = backlog.split(&summary, 1_000, 10);
            assert_eq!(backlog.size().0 + piece.size().0, before);
            assert!(piece.size().0 <= (1_000 + PIECE) as u64);
            piece.sift(&summary, 0);
            pieces.push(piece);
        }
        assert!(pieces.len() >= NODES / (1_000 + PIECE));
        let freed: Vec<usize> = pieces.iter_mut().flat_map(free).collect();
        assert_eq!(freed.len(), NODES);
        assert_eq!(freed.into_iter().collect::<BTreeSet<_>>().len(), NODES);
    }

    /// What `leased` says that a thread may have in its hands in the middle of a sweep.
    #[test]
    fn a_piece_of_everything_is_within_what_is_said() {
        const R: usize = 256;
        let mut backlog = aged();
        // Many groups, of which each but one is taken whole.
        for reader in 0..90 {
            (0..7).for_each(|at| backlog.keep(reader, 100, core::iter::once(node(at, 0))));
        }
        for number in 0..NODES {
            backlog.ready.push_back(node(number, 80));
        }
        for _ in 0..20 {
            let entries = (0..R).map(|number| node(number, 80)).collect();
            backlog.waiting.push(SealedBag { entries, retired_at: 100 });
        }
        let room = 10 * R;
        let piece = backlog.split(&readers(&[]), 8 * R, room);
        let most = room + 16 * R + 2 * PIECE;
        assert!(piece.size().0 as usize <= most, "{} of {most}", piece.size().0);
        assert!(piece.size().0 as usize >= room + 16 * R);
    }

    #[test]
    fn what_is_still_held_is_looked_at_once() {
        // Another reader of the same reach came at 1100: what was retired before it is free, the rest is not.
        let (mut backlog, summary) = (aged(), readers(&[(1_100, 90)]));
        let (mut freed, mut looks) = (Vec::new(), 0);
        loop {
            let mut piece = backlog.split(&summary, 500, 0);
            if piece.is_empty() {
                break;
            }
            looks += piece.size().0 as usize;
            piece.sift(&summary, 0);
            freed.append(&mut free(&mut piece));
            backlog.absorb(piece);
        }
        freed.sort_unstable();
        assert!(freed.into_iter().eq(0..1_000));
        assert_eq!(backlog.size().0 as usize, NODES - 1_000);
        assert!(looks <= NODES + 2 * PIECE, "{looks} looks at {NODES} nodes");
        let mut rest = backlog.split(&readers(&[]), usize::MAX, 0);
        rest.sift(&readers(&[]), 0);
        assert_eq!(free(&mut rest).len(), NODES - 1_000);
    }

    #[test]
    fn two_passes_that_meet_leave_nothing_behind() {
        // Each of them is in the middle of a pass when they meet; a reader that reaches further holds none of their nodes.
        let (mut backlog, mut other, summary) = (aged(), aged(), readers(&[(10_000, 200)]));
        let mut freed = 0;
        for backlog in [&mut backlog, &mut other] {
            let mut piece = backlog.split(&summary, 500, 0);
            piece.sift(&summary, 0);
            freed += free(&mut piece).len();
        }
        backlog.absorb(other);
        loop {
            let mut piece = backlog.split(&summary, 500, 0);
            if piece.is_empty() {
                break;
            }
            piece.sift(&summary, 0);
            freed += free(&mut piece).len();
        }
        assert_eq!((freed, backlog.is_empty()), (2 * NODES, true));
    }

    #[test]
    fn who_is_born_later_than_the_next_reader_reaches_goes() {
        let (mut backlog, summary) = (aged(), readers(&[(50, 79)]));
        backlog.keep(90, 200, core::iter::once(node(NODES, 70)));
        let mut piece = backlog.split(&summary, usize::MAX, 0);
        piece.sift(&summary, 0);
        assert_eq!(free(&mut piece).len(), NODES);
        assert_eq!(piece.size().0, 1);
        assert!(piece.split(&summary, usize::MAX, 0).is_empty(), "held by 79, and known to be");
    }
}

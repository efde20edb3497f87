//! Retiring, ticking and sweeping: the reclaimer's side.
//!
//! Order of a tick, by the thread whose bag is full: fence, read epoch `r`, seal the bag with `r`, CAS the epoch `r → r + 1` unless
//! it has moved since the thread's last bag, **one** heavy fence for everybody, scan the reservations, sift the bags with
//! `retired_at < fenced`.
//!
//! 1. The fence is shared: `fenced` is the epoch as it was before the latest heavy fence, and whoever finds `fenced > r` needs none
//!    of its own. A thread looks for one when it has more than [`FENCE_BAGS`] sealed bags. A try-flag keeps threads from issuing fences
//!    side by side; nobody waits for it, and a thread with more than [`SEALED_BAGS`] issues its own, so a thread stalled inside the
//!    system call holds up nobody.
//! 2. The bag just sealed is not sifted: its own retirer's guard covers it. Others wait while a reader covers them, and few do for
//!    long; the oldest of more than [`SEALED_BAGS`] goes to the backlog. After a sweep a thread has at most that many.
//! 3. Every retirement reclaims up to [`RECLAIMS_PER_RETIRE`] nodes. Let `U` count a thread's open, sealed and ready nodes. A sweep
//!    leaves `6R` or fewer sealed, and takes ready ones from the backlog up to `U = 10R`. Until the next sweep `R` nodes come, and `4R`
//!    go as far as there are ready ones; without any, `U ≤ 7R`. So `U ≤ 10R` always, and the backlog's ready nodes are taken at up to
//!    `4R` a sweep even if some reader covers every bag there is: what a preempted reader held back is gone soon after. (A bag that is
//!    full by its bytes has fewer than `R` nodes: sweeps come sooner, and take as much a retirement.)
//!
//! Tags:
//! - `[seal]`: SeqCst fence in `seal`, between the unlinking of the bag's nodes and the read of its epoch.
//! - `[fenced]`: Release `fetch_max` in `fence_now` / Acquire loads in `fence_heavy` and `sweep`: the scan comes after the fence.
//! - `[turn]`: Acquire swap and Release store of the try-flag; it guards nothing but effort.

use crate::leased::backlog::Backlog;
use crate::leased::bag::SealedBag;
use crate::leased::collector::Inner;
#[cfg(stillpoint_loom)]
use crate::leased::collector::Mutation;
use crate::leased::local::{Bags, Local, Raised};
use crate::retired::{Birth, Retired, size};
use alloc::boxed::Box;
use alloc::vec::Vec;
use stillpoint_primitive::sync::atomic::{Ordering, fence};

/// Sealed bags that a thread keeps from one sweep to the next.
const SEALED_BAGS: usize = 6;
/// With so many a thread looks for a heavy fence, its own if nobody is at one: each covers all bags sealed before it, and it can cost
/// as much as thousands of retirements where a hypervisor delivers the interrupt.
const FENCE_BAGS: usize = SEALED_BAGS / 2;
/// What a thread's nodes on their way come to, in bags (invariant 3).
pub(crate) const OWN_BAGS: usize = SEALED_BAGS + 4;
/// Nodes reclaimed a retirement: more than one, so that the ready list drains; few, so that no operation pays for many.
const RECLAIMS_PER_RETIRE: usize = 4;
/// With so many bytes a bag is full, however few nodes they are: hundreds of large nodes would be much memory, and what comes back to an
/// allocator soon is still in a cache when it is written to again.
const BAG_BYTES: usize = 96 << 10;
/// Aged nodes looked at a sweep, in bags.
const LOOKS_PER_SWEEP: usize = 8;

/// How thorough a sweep is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// As part of a retirement: bounded.
    Amortised,
    /// A flush: everything that can go.
    Whole,
    /// A background thread's round: as a flush, but so many nodes at the most are taken from the backlog.
    Share(usize),
}

impl Inner {
    /// Takes over a node. See [`Guard::retire`](crate::Guard::retire).
    #[inline(always)]
    pub(crate) fn retire(&self, local: &Local, node: Retired) {
        let Retired { ptr, reclaim, birth, bytes } = node;
        self.retire_parts(local, ptr, birth, bytes, reclaim);
    }

    /// In registers, where a call has six: a node that came in memory would be read, sixteen bytes at once, before the eight bytes that were just written can be had.
    #[inline(never)]
    fn retire_parts(
        &self,
        local: &Local,
        ptr: *mut u8,
        birth: Birth,
        bytes: usize,
        reclaim: unsafe fn(*mut u8),
    ) {
        local.retired.add(1);
        local.retired_bytes.add(bytes as u64);
        let full = {
            let mut bags = local.bags.borrow_mut();
            if bags.open.len() == bags.open.capacity() {
                bags.widen_open(self.batch_len);
            }
            bags.open.push(Retired { ptr, reclaim, birth, bytes });
            bags.open_bytes = bags.open_bytes.saturating_add(bytes);
            bags.open.len() >= self.batch_len || bags.open_bytes >= BAG_BYTES
        };
        if full {
            self.bag_is_full(local);
        }
        self.reclaim_ready(local, RECLAIMS_PER_RETIRE);
    }

    #[cold]
    fn bag_is_full(&self, local: &Local) {
        if self.reclaim_on_retire {
            self.seal(local, Effort::Amortised);
            self.sweep(local, Effort::Amortised);
        } else {
            self.post_bags(local);
        }
        self.check_limits(local);
    }

    /// Seals the open bag, if it has anything, and sees to it that the epoch moves on between two bags.
    #[cold]
    fn seal(&self, local: &Local, effort: Effort) {
        self.fence_before_seal();
        let epoch = self.epoch();
        let mut bags = local.bags.borrow_mut();
        let moved = bags.sealed.last().is_some_and(|bag| bag.retired_at < epoch);
        if !bags.open.is_empty() {
            let fresh = bags.spare.pop().unwrap_or_else(|| Vec::with_capacity(self.batch_len));
            let entries = core::mem::replace(&mut bags.open, fresh);
            bags.open_bytes = 0;
            bags.sealed.push(SealedBag { entries, retired_at: epoch });
        }
        drop(bags);
        if !moved || effort != Effort::Amortised {
            self.tick_from(epoch);
        }
    }

    fn fence_before_seal(&self) {
        #[cfg(stillpoint_loom)]
        if matches!(self.mutation, Mutation::NoSealFence | Mutation::NoHeavyFence) {
            return;
        }
        // SeqCst [seal]: the unlinks come before the epoch that the bag gets.
        fence(Ordering::SeqCst);
    }

    /// Makes sure that a heavy fence has been issued since epoch `retired_at` ended, by us or by somebody else, unless another
    /// thread is at it and `patient`.
    fn fence_heavy(&self, local: &Local, retired_at: u64, patient: bool) {
        // Acquire [fenced]: as in `sweep`.
        if self.fenced.load(Ordering::Acquire) > retired_at {
            return;
        }
        // Acquire [turn]: no side-by-side fences, as far as cheaply avoidable.
        let busy = self.fencing.swap(true, Ordering::Acquire);
        if busy && patient {
            return;
        }
        self.fence_now(local);
        // Release [turn]: done.
        self.fencing.store(false, Ordering::Release);
    }

    fn fence_now(&self, local: &Local) {
        let epoch = self.epoch();
        #[cfg(stillpoint_loom)]
        let skip = self.mutation == Mutation::NoHeavyFence;
        #[cfg(not(stillpoint_loom))]
        let skip = false;
        if !skip {
            self.fences.heavy();
        }
        // Release [fenced]: whoever reads it scans after the fence.
        self.fenced.fetch_max(epoch, Ordering::Release);
        local.barriers.add(1);
    }

    /// Sifts the bags that a heavy fence has covered; what nobody holds becomes ready.
    #[cold]
    fn sweep(&self, local: &Local, effort: Effort) {
        let (oldest, waiting) = {
            let bags = local.bags.borrow();
            (bags.sealed.first().map_or(0, |bag| bag.retired_at), bags.sealed.len())
        };
        if effort != Effort::Amortised {
            self.fence_now(local);
        } else if waiting > FENCE_BAGS {
            self.fence_heavy(local, oldest, waiting <= SEALED_BAGS);
        }
        // Acquire [fenced]: the scan below comes after the fence that this epoch stands for.
        let fenced = self.fenced.load(Ordering::Acquire);
        let mut bags = local.bags.borrow_mut();
        let mut backlog = bags.take_unposted(local);
        self.backlogs.take_all(&mut backlog);
        if waiting > 1 || effort != Effort::Amortised || !backlog.is_empty() {
            bags.summary.refill(self.reservations());
            if effort == Effort::Amortised {
                backlog = self.leave_to_others(local, &mut bags, backlog);
            }
            local.moved_out(self.sift_sealed(&mut bags, fenced, effort, &mut backlog));
            backlog.sift(&bags.summary, fenced);
            local.moved_in(self.take_ready(&mut bags, effort, &mut backlog));
        }
        if !backlog.is_empty() {
            self.post(local, &mut bags, backlog);
        }
    }

    /// Posts all of `backlog` but what this sweep can deal with, which it returns.
    fn leave_to_others(&self, local: &Local, bags: &mut Bags, mut backlog: Backlog) -> Backlog {
        let looks = LOOKS_PER_SWEEP * self.batch_len;
        let piece = backlog.split(&bags.summary, looks, self.room(bags));
        if !backlog.is_empty() {
            self.post(local, bags, backlog);
        }
        piece
    }

    /// Ready nodes that invariant 3 leaves room for.
    fn room(&self, bags: &Bags) -> usize {
        (OWN_BAGS * self.batch_len)
            .saturating_sub(bags.ready.len() + bags.sealed.len() * self.batch_len)
    }

    /// Posts a backlog; if others are faster too often it stays here until the next time.
    fn post(&self, local: &Local, bags: &mut Bags, backlog: Backlog) {
        if let Err(mut backlog) = self.backlogs.push(backlog) {
            backlog.absorb(bags.take_unposted(local));
            local.moved_in(backlog.size());
            bags.unposted = Some(Box::new(backlog));
        }
    }

    /// Returns how much has gone to `backlog`.
    fn sift_sealed(
        &self,
        bags: &mut Bags,
        fenced: u64,
        effort: Effort,
        backlog: &mut Backlog,
    ) -> (u64, u64) {
        let mut gone = (0, 0);
        bags.prepare_ready(self.batch_len);
        let Bags { sealed, ready, spare, summary, .. } = bags;
        let (all, count) = (effort != Effort::Amortised, sealed.len());
        for (at, bag) in core::mem::take(sealed).into_iter().enumerate() {
            let newer = count - 1 - at;
            let patient =
                newer == 0 || newer < SEALED_BAGS && summary.covering(bag.retired_at).is_some();
            if bag.retired_at >= fenced || (patient && !all) {
                sealed.push(bag);
                continue;
            }
            let (buffer, (nodes, bytes)) = bag.sift(summary, ready, backlog);
            gone = (gone.0 + nodes, gone.1 + bytes);
            if spare.len() < SEALED_BAGS {
                spare.push(buffer);
            }
        }
        gone
    }

    /// Gives this thread its share of what nobody holds any more: as much as invariant 3 leaves room for. Returns how much that is.
    fn take_ready(&self, bags: &mut Bags, effort: Effort, backlog: &mut Backlog) -> (u64, u64) {
        let room = match effort {
            Effort::Whole => usize::MAX,
            Effort::Share(nodes) => nodes.saturating_sub(bags.ready.len()),
            Effort::Amortised => self.room(bags),
        };
        let before = bags.ready.len();
        backlog.take_ready(room, &mut bags.ready);
        size(bags.ready[before..].iter())
    }

    /// Reclaims up to `budget` ready nodes. Re-entrant: a destructor that retires adds to the bags, but reclaims nothing itself.
    #[inline]
    fn reclaim_ready(&self, local: &Local, budget: usize) {
        if local.reclaiming.get() {
            return;
        }
        for _ in 0..budget {
            let Some(node) = local.bags.borrow_mut().next_ready(self.ask_ahead) else { return };
            let _reclaiming = Raised::new(&local.reclaiming);
            local.reclaimed.add(1);
            local.reclaimed_bytes.add(node.bytes as u64);
            // SAFETY: sifted out: by the crate's argument no reader holds it, and `pop` made it ours.
            unsafe { node.reclaim() };
        }
    }

    /// See [`Guard::flush`](crate::Guard::flush). Goes on as long as destructors retire more and that can go at once.
    pub(crate) fn flush(&self, local: &Local) {
        self.reclaim_all(local);
        self.check_limits(local);
    }

    /// Once what a flush does until nothing more goes; left to the background thread where threads do not reclaim as they retire.
    pub(crate) fn try_to_reclaim(&self, local: &Local) {
        if !self.reclaim_on_retire {
            #[cfg(feature = "std")]
            self.hurry();
            return;
        }
        self.seal(local, Effort::Whole);
        self.sweep(local, Effort::Whole);
        self.reclaim_ready(local, usize::MAX);
    }

    /// A background thread's round: up to `budget` nodes, behind one fence, or none if so many are ready; after each `step` of them it asks `may_go_on`.
    pub(crate) fn maintain(
        &self,
        local: &Local,
        budget: usize,
        step: usize,
        mut may_go_on: impl FnMut() -> bool,
    ) {
        if self.backlogs.seems_empty() && local.bags.borrow().is_empty() {
            return;
        }
        if local.bags.borrow().ready.len() < budget {
            if !local.bags.borrow().open.is_empty() {
                self.seal(local, Effort::Whole);
            }
            self.sweep(local, Effort::Share(budget));
        }
        let mut left = budget.min(local.bags.borrow().ready.len());
        while left > 0 {
            let some = left.min(step.max(1));
            self.reclaim_ready(local, some);
            left -= some;
            if !may_go_on() {
                break;
            }
        }
        self.check_limits(local);
    }

    /// Flushes.
    pub(crate) fn reclaim_all(&self, local: &Local) {
        loop {
            let reclaimed = local.reclaimed.get();
            self.seal(local, Effort::Whole);
            self.sweep(local, Effort::Whole);
            self.reclaim_ready(local, usize::MAX);
            let progress = local.reclaimed.get() != reclaimed;
            if !progress || local.bags.borrow().open.is_empty() {
                return;
            }
        }
    }

    /// Posts everything in `local`'s bags for whoever sweeps next; what cannot be posted at once stays until the next time.
    pub(crate) fn post_bags(&self, local: &Local) {
        if local.bags.borrow().is_empty() {
            return;
        }
        self.seal(local, Effort::Whole);
        let mut bags = local.bags.borrow_mut();
        let mut backlog = bags.take_unposted(local);
        let Bags { sealed, ready, .. } = &mut *bags;
        backlog.inherit(sealed, ready);
        local.count_bags_as((0, 0));
        self.post(local, &mut bags, backlog);
    }

    /// For a local that comes and goes without ever filling a bag: once in so many retirements under its number as a bag holds, it
    /// reclaims as a flush does once.
    pub(crate) fn settle(&self, local: &Local) {
        let open = local.bags.borrow().open.len() as u64;
        if local.retired.get() % (self.batch_len as u64) < open {
            self.try_to_reclaim(local);
            self.check_limits(local);
        }
    }

    /// As above, for a thread that does not come back: all is posted, and the buffers go.
    pub(crate) fn leave_bags(&self, local: &Local) {
        while !local.bags.borrow().is_empty() {
            self.post_bags(local);
        }
        drop(local.bags.take());
    }

    /// The end of the last handle: everything goes, at once. No guard can exist, since guards borrow a handle. Destructors cannot
    /// retire here: there is nothing left to pin.
    pub(crate) fn close(&self) {
        let mut closed = self.lock_closed();
        if let Some(closed) = &mut closed {
            **closed = true;
        }
        let mut rest = Backlog::default();
        self.backlogs.take_all(&mut rest);
        let mut nodes: Vec<Retired> = rest.into_nodes().collect();
        for local in self.locals.iter() {
            let Bags { open, sealed, ready, unposted, .. } = local.bags.take();
            nodes.extend(
                open.into_iter()
                    .chain(ready)
                    .chain(unposted.into_iter().flat_map(|rest| rest.into_nodes())),
            );
            nodes.extend(sealed.into_iter().flat_map(|bag| bag.entries));
        }
        drop(closed);
        for node in nodes {
            // SAFETY: no guard exists, so no reader does; each entry was in exactly one bag.
            unsafe { node.reclaim() };
        }
    }
}

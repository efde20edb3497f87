//! Retiring, ticking and sweeping: the reclaimer's side.
//!
//! Order of a tick, by the thread whose bag is full: fence, read epoch `r`, seal the bag with `r`, CAS the epoch `r → r + 1`, **one**
//! heavy fence for everybody, scan the reservations, sift the bags with `retired_at < fenced`.
//!
//! The fence is shared: `fenced` is the epoch as it was before the latest heavy fence, and whoever finds `fenced > r` needs none of
//! its own. A try-flag keeps threads from issuing fences side by side; nobody waits for it, and a thread with more than
//! [`PATIENCE`] bags waiting issues its own, so a thread stalled inside the system call holds up nobody.
//!
//! Tags:
//! - `[seal]`: SeqCst fence in `seal`, between the unlinking of the bag's nodes and the read of its epoch.
//! - `[fenced]`: Release `fetch_max` in `fence_heavy` / Acquire load in `sweep`: the scan comes after the fence.
//! - `[turn]`: Acquire swap and Release store of the try-flag; it guards nothing but effort.
//! - `[orphan]`: Release push / Acquire swap of the orphan stack: bags change hands.
//! - `[count]`: figures.

use crate::bag::{Retired, SealedBag, Summary};
use crate::collector::Inner;
use crate::local::{Bags, Local};
use std::ptr;
use stillpoint_primitive::sync::atomic::{AtomicPtr, Ordering, fence};

/// Sealed bags a thread keeps before it issues a heavy fence of its own although somebody else seems to be at it.
const PATIENCE: usize = 2;
/// Nodes reclaimed a retirement: more than one, so that the ready list drains; few, so that no operation pays for many.
const RECLAIMS_PER_RETIRE: usize = 2;

impl Inner {
    /// Takes over a node. See [`Guard::retire`](crate::Guard::retire).
    #[inline]
    pub(crate) fn retire(&self, local: &Local, node: Retired) {
        local.retired.add(1);
        local.retired_bytes.add(node.bytes as u64);
        let full = {
            let mut bags = local.bags.borrow_mut();
            bags.open.push(node);
            bags.open.len() >= self.batch_len
        };
        if full {
            self.seal(local);
            self.sweep(local);
        }
        self.reclaim_ready(local, RECLAIMS_PER_RETIRE);
    }

    /// Counts a birth; moves the epoch on when this thread has made a bagful of nodes since it last saw the epoch move.
    #[inline]
    pub(crate) fn count_birth(&self, local: &Local, epoch: u64) {
        let events = local.events.get() + 1;
        local.events.set(events);
        if events as usize >= self.batch_len {
            local.events.set(0);
            if local.epoch_seen.replace(epoch) == epoch {
                self.tick_from(epoch);
            }
        }
    }

    /// Seals the open bag, if it has anything, and moves the epoch on.
    pub(crate) fn seal(&self, local: &Local) {
        self.fence_before_seal();
        let epoch = self.epoch();
        let mut bags = local.bags.borrow_mut();
        if !bags.open.is_empty() {
            let entries = std::mem::replace(&mut bags.open, Vec::with_capacity(self.batch_len));
            bags.sealed.push(SealedBag::new(entries, epoch));
        }
        drop(bags);
        self.tick_from(epoch);
        local.epoch_seen.set(epoch);
        local.events.set(0);
    }

    fn fence_before_seal(&self) {
        #[cfg(stillpoint_loom)]
        if self.mutation == crate::collector::Mutation::NoHeavyFence {
            return;
        }
        // SeqCst [seal]: the unlinks come before the epoch that the bag gets.
        fence(Ordering::SeqCst);
    }

    /// Makes sure that a heavy fence has been issued since epoch `retired_at` ended, by us or by somebody else, unless another
    /// thread is at it and we can wait a bag or two.
    fn fence_heavy(&self, retired_at: u64, waiting: usize) {
        // Acquire [fenced]: as in `sweep`.
        if self.fenced.load(Ordering::Acquire) > retired_at {
            return;
        }
        // Acquire [turn]: no side-by-side fences, as far as cheaply avoidable.
        let busy = self.fencing.swap(true, Ordering::Acquire);
        if busy && waiting <= PATIENCE {
            return;
        }
        let epoch = self.epoch();
        #[cfg(stillpoint_loom)]
        let skip = self.mutation == crate::collector::Mutation::NoHeavyFence;
        #[cfg(not(stillpoint_loom))]
        let skip = false;
        if !skip {
            self.fences.heavy();
        }
        // Release [fenced]: whoever reads it scans after the fence.
        self.fenced.fetch_max(epoch, Ordering::Release);
        // Relaxed [count]: a figure for people.
        self.barriers.fetch_add(1, Ordering::Relaxed);
        // Release [turn]: done.
        self.fencing.store(false, Ordering::Release);
    }

    /// Sifts every bag that a heavy fence has covered; what nobody holds goes to the ready list.
    pub(crate) fn sweep(&self, local: &Local) {
        self.adopt_orphans(local);
        let (newest, waiting) = {
            let bags = local.bags.borrow();
            (bags.sealed.last().map_or(0, |bag| bag.retired_at), bags.sealed.len())
        };
        self.fence_heavy(newest, waiting);
        // Acquire [fenced]: the scan below comes after the fence that this epoch stands for.
        let fenced = self.fenced.load(Ordering::Acquire);
        let summary = Summary::new(self.locals.iter().filter_map(|local| local.reservation.read()));
        let mut bags = local.bags.borrow_mut();
        let Bags { sealed, aged, ready, .. } = &mut *bags;
        for bag in std::mem::take(aged) {
            if let Some(rest) = bag.sift(&summary, ready) {
                aged.push(rest);
            }
        }
        for bag in std::mem::take(sealed) {
            if bag.retired_at >= fenced {
                sealed.push(bag);
            } else if let Some(rest) = bag.sift(&summary, ready) {
                rest.age_into(aged);
            }
        }
        drop(bags);
        self.report_limits();
    }

    fn report_limits(&self) {
        if self.limits.is_empty() {
            return;
        }
        let unreclaimed = self.unreclaimed();
        for (limit, callback) in &self.limits {
            if unreclaimed >= *limit {
                callback(&self.stats());
            }
        }
    }

    /// Reclaims up to `budget` ready nodes. Re-entrant: a destructor that retires adds to the bags, but reclaims nothing itself.
    #[inline]
    pub(crate) fn reclaim_ready(&self, local: &Local, budget: usize) {
        if local.reclaiming.get() {
            return;
        }
        for _ in 0..budget {
            let Some(node) = local.bags.borrow_mut().ready.pop() else { return };
            local.reclaiming.set(true);
            local.reclaimed.add(1);
            local.reclaimed_bytes.add(node.bytes as u64);
            // SAFETY: sifted out: by the crate's argument no reader holds it, and `pop` made it ours.
            unsafe { node.reclaim() };
            local.reclaiming.set(false);
        }
    }

    /// See [`Guard::flush`](crate::Guard::flush).
    pub(crate) fn flush(&self, local: &Local) {
        self.seal(local);
        // A second tick, so that the fence's epoch lies beyond the bag just sealed whoever issues it.
        self.tick_from(self.epoch());
        let epoch = self.epoch();
        self.fences.heavy();
        // Release [fenced]: as in `fence_heavy`.
        self.fenced.fetch_max(epoch, Ordering::Release);
        self.sweep(local);
        self.reclaim_ready(local, usize::MAX);
    }

    /// Hands everything in `local`'s bags to whoever ticks next.
    pub(crate) fn orphan_bags(&self, local: &Local) {
        if local.bags.borrow().is_empty() {
            return;
        }
        self.seal(local);
        let bags = local.bags.take();
        self.orphans.push(bags);
    }

    fn adopt_orphans(&self, local: &Local) {
        for mut orphan in self.orphans.take_all() {
            let mut bags = local.bags.borrow_mut();
            // In front: the newest sealed bag stays last.
            bags.sealed.splice(0..0, orphan.sealed.drain(..));
            bags.aged.append(&mut orphan.aged);
            bags.ready.append(&mut orphan.ready);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // No guard can exist, since guards borrow the collector: everything is free to go. Destructors may not retire here: they
        // have no guard to do it with.
        let Inner { locals, orphans, .. } = self;
        let mut rest: Vec<Retired> = Vec::new();
        let mut empty = |bags: Bags| {
            rest.extend(bags.open.iter().chain(&bags.ready));
            rest.extend(bags.sealed.iter().chain(&bags.aged).flat_map(|bag| &bag.entries));
        };
        locals.iter().for_each(|local| empty(local.bags.take()));
        orphans.take_all().for_each(&mut empty);
        for node in rest {
            // SAFETY: no guard exists, so no reader does; each entry was in exactly one bag.
            unsafe { node.reclaim() };
        }
    }
}

struct Orphan {
    bags: Bags,
    next: *mut Orphan,
}

/// The bags of exited threads: pushed one by one, taken all at once, so the stack has no ABA.
pub(crate) struct Orphans {
    head: AtomicPtr<Orphan>,
}

// SAFETY: bags may change threads (see `Retired`), and the list is only touched through its atomic head.
unsafe impl Send for Orphans {}
// SAFETY: as above.
unsafe impl Sync for Orphans {}

impl Orphans {
    pub(crate) fn new() -> Self {
        Orphans { head: AtomicPtr::new(ptr::null_mut()) }
    }

    fn push(&self, bags: Bags) {
        let mut orphan = Box::new(Orphan { bags, next: ptr::null_mut() });
        // Relaxed [orphan]: only compared, the CAS below publishes.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            orphan.next = head;
            let new = Box::into_raw(orphan);
            // Release [orphan]: the bags come with the pointer; Relaxed [orphan] on failure: try again.
            match self.head.compare_exchange(head, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                // SAFETY: not published, so still ours alone.
                Err(now) => (head, orphan) = (now, unsafe { Box::from_raw(new) }),
            }
        }
    }

    /// Takes the whole list; nothing when it is empty.
    fn take_all(&self) -> impl Iterator<Item = Bags> + use<> {
        // Relaxed [orphan]: a cheap look; the swap decides.
        let empty = self.head.load(Ordering::Relaxed).is_null();
        let mut next = if empty {
            ptr::null_mut()
        } else {
            // Acquire [orphan]: takes over the bags.
            self.head.swap(ptr::null_mut(), Ordering::Acquire)
        };
        std::iter::from_fn(move || {
            if next.is_null() {
                return None;
            }
            // SAFETY: made by `Box::into_raw` in `push`; the swap made the whole list ours.
            let orphan = unsafe { Box::from_raw(next) };
            next = orphan.next;
            Some(orphan.bags)
        })
    }
}

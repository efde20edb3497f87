//! Retiring, scanning and flushing: the reclaimer's side.
//!
//! 1. A scan leaves at most as many kept nodes as there are slots: half of what makes the next one. Until that, four ready nodes go with each
//!    retirement, so none is left by then, and kept and ready ones together never exceed what makes a scan.
//! 2. No borrow of the lists is held while a destructor runs: it may retire.

use crate::hp::collector::Inner;
#[cfg(stillpoint_loom)]
use crate::hp::collector::Mutation;
use crate::hp::local::{Lists, Local};
use crate::retired::Retired;

/// Nodes reclaimed a retirement: more than one, so that the list drains; few, so that no operation pays for many.
const RECLAIMS_PER_RETIRE: usize = 4;

impl Inner {
    /// Takes over a node.
    #[inline]
    pub(crate) fn retire(&self, local: &Local, node: Retired) {
        local.retired.add(1);
        let kept = {
            let mut lists = local.lists.borrow_mut();
            lists.kept.push(node);
            lists.kept.len()
        };
        if kept >= local.trigger.get() {
            // Nobody waits for a thread that is just leaving its nodes: the next scan takes them.
            self.scan(local, self.try_orphans());
        }
        self.reclaim_ready(local, RECLAIMS_PER_RETIRE);
    }

    /// Makes ready whatever is in no slot.
    #[cold]
    fn scan(&self, local: &Local, orphans: Vec<Retired>) {
        let mut lists = local.lists.borrow_mut();
        let Lists { kept, ready, held } = &mut *lists;
        kept.extend(orphans);
        self.fence_before_scan();
        held.clear();
        let blocks = self.locals.iter().flat_map(|local| local.first.chain());
        blocks.for_each(|block| block.collect(held));
        held.sort_unstable();
        kept.retain(|node| {
            let is_held = held.binary_search(&node.ptr.addr()).is_ok();
            if !is_held {
                ready.push(*node);
            }
            is_held
        });
        local.trigger.set(self.full_len());
        local.scans.add(1);
    }

    fn fence_before_scan(&self) {
        #[cfg(stillpoint_loom)]
        if self.mutation == Mutation::NoHeavyFence {
            return;
        }
        self.fences.heavy();
    }

    /// Reclaims up to `budget` ready nodes. A destructor that retires adds to the lists, but reclaims nothing itself.
    #[inline]
    fn reclaim_ready(&self, local: &Local, budget: usize) {
        if local.reclaiming.get() {
            return;
        }
        for _ in 0..budget {
            let Some(node) = local.lists.borrow_mut().ready.pop() else { return };
            local.reclaiming.set(true);
            local.reclaimed.add(1);
            // SAFETY: in no slot after it was unlinked, by the argument of the module's page; `pop` made it ours.
            unsafe { node.reclaim() };
            local.reclaiming.set(false);
        }
    }

    /// Scans and reclaims for as long as destructors retire more that can go at once.
    pub(crate) fn flush(&self, local: &Local) {
        loop {
            let reclaimed = local.reclaimed.get();
            self.scan(local, core::mem::take(&mut self.lock_orphans().nodes));
            self.reclaim_ready(local, usize::MAX);
            if local.reclaimed.get() == reclaimed || local.lists.borrow().kept.is_empty() {
                return;
            }
        }
    }
}

//! [`Engine`]: periods, grace periods, and what waits for them.
//!
//! 1. `period` only grows, by `fetch_add`; each one seals a bag, or asks for a grace period.
//! 2. A bag of period `r` may go when the least `seen` of all online members is above `r` ([`Engine::horizon`]).
//! 3. Bags of exited threads are orphans; a sweep looks through them if nobody else is at it.
//!
//! Tags:
//! - `[period]`: AcqRel `fetch_add` in `end_period` / Acquire load in `quiescent` and `come_online`: whoever sees a later period sees the
//!   unlinking of what was sealed in an earlier one.
//! - `[online]`: SeqCst fences in `come_online` and `horizon`: a thread that the scan takes for offline sees the unlinking.

use crate::rcu::member::{Bag, Bags, Member};
use crate::retired::Retired;
use std::sync::{Arc, Weak};
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering, fence};
use stillpoint_primitive::sync::{Mutex, thread};
use stillpoint_primitive::thread_slot::{self, ExitHook, Temporary};
use stillpoint_primitive::{CachePadded, PerThread};

/// Nodes of a bag.
#[cfg(not(stillpoint_loom))]
const BAG_LEN: usize = 256;
#[cfg(stillpoint_loom)]
const BAG_LEN: usize = 1;
/// Nodes reclaimed a retirement: few, so that no operation pays for many.
const RECLAIMS_PER_RETIRE: usize = 4;

pub(crate) struct Engine {
    period: CachePadded<AtomicU64>,
    members: PerThread<Member>,
    orphans: Mutex<Vec<Bag>>,
    closed: Mutex<bool>,
    me: Weak<Engine>,
    #[cfg(stillpoint_loom)]
    weakened: Weakened,
}

/// What a model may take out of the protocol, to show that it is needed.
#[cfg(stillpoint_loom)]
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weakened {
    /// The protocol as it is.
    Nothing,
    /// No fence when a thread comes online.
    NoOnlineFence,
    /// A thread may say that it is quiescent inside a guard.
    QuiescentInside,
}

impl Engine {
    pub(crate) fn new(#[cfg(stillpoint_loom)] weakened: Weakened) -> Arc<Engine> {
        Arc::new_cyclic(|me| Engine {
            period: CachePadded::new(AtomicU64::new(1)),
            members: PerThread::new(),
            orphans: Mutex::new(Vec::new()),
            closed: Mutex::new(false),
            me: me.clone(),
            #[cfg(stillpoint_loom)]
            weakened,
        })
    }

    /// The calling thread's membership, if it has one.
    pub(crate) fn own(&self) -> Option<&Member> {
        self.members.get(thread_slot::current_or_max()).filter(|member| member.registered.get())
    }

    #[inline(always)]
    pub(crate) fn pin(&self) -> &Member {
        if let Some(member) = self.members.get_first(thread_slot::current_or_max())
            && member.is_online()
        {
            member.nesting.set(member.nesting.get() + 1);
            return member;
        }
        self.pin_slow()
    }

    #[cold]
    fn pin_slow(&self) -> &Member {
        let member = self.own().unwrap_or_else(|| self.register());
        if !member.is_online() {
            self.come_online(member);
        }
        member.nesting.set(member.nesting.get() + 1);
        member
    }

    fn come_online(&self, member: &Member) {
        // Acquire [period]: see the header.
        member.announce(self.period.load(Ordering::Acquire));
        #[cfg(stillpoint_loom)]
        if self.weakened == Weakened::NoOnlineFence {
            return;
        }
        // SeqCst [online]: the announcement comes before whatever is loaded.
        fence(Ordering::SeqCst);
    }

    /// Makes the calling thread a member; for a thread past its exit, for the length of one guard.
    fn register(&self) -> &Member {
        if let Some(slot) = thread_slot::claim_current()
            && thread_slot::on_exit(self.me.clone() as Weak<dyn ExitHook>)
        {
            return self.register_at(slot);
        }
        let temporary = Temporary::claim();
        let member = self.register_at(temporary.slot());
        member.transient.set(true);
        member.temporary.set(Some(temporary));
        member
    }

    fn register_at(&self, slot: usize) -> &Member {
        self.members.mark_used(slot);
        let member = self.members.get_or_grow(slot);
        member.registered.set(true);
        member
    }

    #[inline(always)]
    pub(crate) fn unpin(&self, member: &Member) {
        let nesting = member.nesting.get() - 1;
        member.nesting.set(nesting);
        if nesting == 0 && member.is_due() {
            self.unpin_slow(member);
        }
    }

    #[cold]
    fn unpin_slow(&self, member: &Member) {
        self.quiescent(member);
        if member.transient.get() {
            self.leave(member);
        }
    }

    /// A guard begins anew, unless it is inside another.
    pub(crate) fn repin(&self, member: &Member) {
        if member.nesting.get() == 1 {
            // Acquire [period]: see the header.
            member.announce(self.period.load(Ordering::Acquire));
        }
    }

    pub(crate) fn quiescent(&self, member: &Member) {
        #[cfg(stillpoint_loom)]
        let inside = self.weakened != Weakened::QuiescentInside && member.nesting.get() > 0;
        #[cfg(not(stillpoint_loom))]
        let inside = member.nesting.get() > 0;
        if !inside && member.is_online() {
            // Acquire [period]: see the header.
            member.announce(self.period.load(Ordering::Acquire));
        }
    }

    /// Ends the current period and returns it.
    fn end_period(&self) -> u64 {
        // AcqRel [period]: see the header.
        self.period.fetch_add(1, Ordering::AcqRel)
    }

    /// What was retired in a period before this one is in nobody's hands.
    fn horizon(&self) -> u64 {
        // SeqCst [online]: our unlinking comes before the look at who is online.
        fence(Ordering::SeqCst);
        self.members.iter().filter_map(Member::read).min().unwrap_or(u64::MAX)
    }

    pub(crate) fn retire(&self, member: &Member, node: Retired) {
        member.retired.add(1);
        let full = {
            let mut bags = member.bags.borrow_mut();
            bags.open.push(node);
            bags.open.len() >= BAG_LEN
        };
        if full {
            self.seal(member);
            self.sweep(member);
        }
        self.reclaim_ready(member, RECLAIMS_PER_RETIRE);
    }

    fn seal(&self, member: &Member) {
        let mut bags = member.bags.borrow_mut();
        if bags.open.is_empty() {
            return;
        }
        let nodes = core::mem::take(&mut bags.open);
        bags.sealed.push_back(Bag { nodes, period: self.end_period() });
    }

    #[cold]
    fn sweep(&self, member: &Member) {
        let horizon = self.horizon();
        let mut bags = member.bags.borrow_mut();
        let Bags { sealed, ready, .. } = &mut *bags;
        if let Ok(mut orphans) = self.orphans.try_lock() {
            for mut bag in orphans.extract_if(.., |bag| bag.period < horizon) {
                ready.append(&mut bag.nodes);
            }
        }
        // One's own bags are in the order of their periods: the first that has to wait is the last one looked at.
        while let Some(bag) = sealed.front_mut().filter(|bag| bag.period < horizon) {
            ready.append(&mut bag.nodes);
            sealed.pop_front();
        }
    }

    /// Re-entrant: a destructor that retires adds to the bags, but reclaims nothing itself.
    fn reclaim_ready(&self, member: &Member, budget: usize) {
        if member.reclaiming.get() {
            return;
        }
        for _ in 0..budget {
            let Some(node) = member.bags.borrow_mut().ready.pop() else { return };
            member.reclaiming.set(true);
            member.reclaimed.add(1);
            // SAFETY: its grace period is over, and `pop` made it ours.
            unsafe { node.reclaim() };
            member.reclaiming.set(false);
        }
    }

    pub(crate) fn flush(&self) {
        let member = self.pin();
        let outermost = member.nesting.get() == 1;
        loop {
            let reclaimed = member.reclaimed.get();
            self.seal(member);
            if outermost {
                self.repin(member);
            }
            self.sweep(member);
            self.reclaim_ready(member, usize::MAX);
            let progress = member.reclaimed.get() != reclaimed;
            if !progress || member.bags.borrow().open.is_empty() {
                break;
            }
        }
        self.unpin(member);
    }

    pub(crate) fn synchronize(&self) {
        let own = self.own();
        if let Some(member) = own {
            let guards = member.nesting.get();
            assert!(
                guards == 0,
                "synchronize inside {guards} guard(s) of its own thread waits for itself"
            );
        }
        let online = own.filter(|member| member.is_online());
        online.inspect(|member| member.go_offline());
        let period = self.end_period();
        while self.horizon() <= period {
            thread::yield_now();
        }
        online.inspect(|member| self.come_online(member));
    }

    pub(crate) fn unreclaimed(&self) -> u64 {
        let sum = |of: fn(&Member) -> u64| self.members.iter().map(of).fold(0, u64::wrapping_add);
        let reclaimed = sum(|member| member.reclaimed.get());
        sum(|member| member.retired.get()).saturating_sub(reclaimed)
    }

    /// A thread, or a guard of one past its exit, goes: what it has retired is for others.
    fn leave(&self, member: &Member) {
        self.seal(member);
        let bags = member.bags.take();
        {
            let mut orphans = self.orphans.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            orphans.extend(bags.sealed);
            // They may go at once: period 0 is before every horizon.
            orphans.push(Bag { nodes: bags.ready, period: 0 });
        }
        member.go_offline();
        member.registered.set(false);
        member.transient.set(false);
        drop(member.temporary.take());
    }

    /// The end of the last handle: everything goes. No guard can exist, since guards borrow a handle.
    pub(crate) fn close(&self) {
        let mut closed = self.closed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *closed = true;
        let mut nodes = Vec::new();
        let mut orphans = self.orphans.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        nodes.extend(orphans.drain(..).flat_map(|bag| bag.nodes));
        drop(orphans);
        for member in self.members.iter() {
            let bags = member.bags.take();
            nodes.extend(bags.open.into_iter().chain(bags.ready));
            nodes.extend(bags.sealed.into_iter().flat_map(|bag| bag.nodes));
        }
        drop(closed);
        for node in nodes {
            // SAFETY: no guard exists; each node was in exactly one bag.
            unsafe { node.reclaim() };
        }
    }
}

impl ExitHook for Engine {
    fn thread_exits(&self, slot: usize) -> bool {
        let closed = self.closed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let member = self.members.get_or_grow(slot);
        if *closed || !member.registered.get() {
            return true;
        }
        if member.nesting.get() > 0 {
            // A guard outlives its thread's exit hooks (it sits in a thread-local): the slot stays its own for good.
            return false;
        }
        if member.bags.borrow().is_empty() {
            member.go_offline();
            member.registered.set(false);
        } else {
            self.leave(member);
        }
        true
    }
}

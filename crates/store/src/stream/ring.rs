//! [`Ring`]: final groups, what is not final yet, and how far each lossless consumer has read.
//!
//! ```text
//!            floor                    low
//!   gone ──────┼── groups, ascending ──┼── pending buffers ──▶
//! ```
//! # Invariants
//! 1. Every change with `floor <= timestamp < low` is in a group here; groups ascend strictly. So is every change that a lossless consumer has not read, which
//!    may be earlier than `floor`: what was given up unfinished went before it came, and what has come since is kept for it.
//! 2. A group goes only when the budget is passed, oldest first, and none that a lossless consumer has not read.
//! 3. `floor` is past what went: a consumer whose position is below it has missed something and is told.

use super::group::{Buffer, Group, cut};
use super::history::History;
use super::past::PastVersion;
use std::collections::VecDeque;
use std::sync::Arc;

/// Emptied buffers that are kept for writers to go on with.
const SPARES: usize = 16;

/// A consumer that misses nothing.
struct Lossless {
    number: u64,
    /// It has read everything before this timestamp.
    next: u64,
}

/// What a ring has let go of, to be dropped when its lock is not held: destructors of values are other people's code, which may write to the store.
pub(super) struct Gone<O> {
    _groups: Vec<Arc<Group<O>>>,
    _pending: Vec<Buffer<O>>,
    _past: Vec<Arc<PastVersion<O>>>,
}

pub(super) struct Ring<O> {
    groups: VecDeque<Arc<Group<O>>>,
    group_bytes: usize,
    pending: Vec<Buffer<O>>,
    pending_bytes: usize,
    spares: Vec<Buffer<O>>,
    pub(super) low: u64,
    pub(super) floor: u64,
    budget_bytes: usize,
    lossless: Vec<Lossless>,
    consumers: u64,
    pub(super) failed: bool,
    pub(super) history: Option<History<O>>,
    /// Changes that have become final.
    pub(super) published: u64,
    /// Times that a feed found out that it lagged.
    pub(super) lagged: u64,
    gone_groups: Vec<Arc<Group<O>>>,
    gone_pending: Vec<Buffer<O>>,
}

impl<O> Ring<O> {
    pub(super) fn new(budget_bytes: usize, history: Option<History<O>>) -> Self {
        Ring {
            groups: VecDeque::new(),
            group_bytes: 0,
            pending: Vec::new(),
            pending_bytes: 0,
            spares: Vec::new(),
            low: 0,
            floor: 0,
            budget_bytes,
            lossless: Vec::new(),
            consumers: 0,
            failed: false,
            history,
            published: 0,
            lagged: 0,
            gone_groups: Vec::new(),
            gone_pending: Vec::new(),
        }
    }

    /// What was let go of since the last time.
    #[must_use = "it is to be dropped when the lock is not held"]
    pub(super) fn take_gone(&mut self) -> Gone<O> {
        Gone {
            _groups: std::mem::take(&mut self.gone_groups),
            _pending: std::mem::take(&mut self.gone_pending),
            _past: self.history.as_mut().map_or(Vec::new(), History::take_gone),
        }
    }

    /// Takes what a writer has published.
    pub(super) fn take(&mut self, buffer: &mut Buffer<O>) {
        if !buffer.is_empty() {
            self.pending_bytes += buffer.footprint();
            let spare = self.spares.pop().unwrap_or_else(Buffer::new);
            self.pending.push(std::mem::replace(buffer, spare));
        }
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Everything before `low` is here.
    pub(super) fn finish(&mut self, low: u64) {
        // An announcement may name an old clock value; what was final stays so.
        self.low = self.low.max(low);
        let wanted = self.floor.min(self.slowest().unwrap_or(u64::MAX));
        for group in cut(&mut self.pending, self.low) {
            debug_assert!(
                self.groups.back().is_none_or(|last| last.timestamp() < group.timestamp())
            );
            self.published += group.len() as u64;
            if let Some(history) = &mut self.history {
                history.add(&group);
            }
            let group = Arc::new(group);
            if group.timestamp() >= wanted {
                self.group_bytes += group.footprint();
                self.groups.push_back(group);
            } else {
                self.gone_groups.push(group);
            }
        }
        let emptied = self.pending.extract_if(.., |buffer| buffer.is_empty());
        for buffer in emptied {
            if self.spares.len() < SPARES {
                self.spares.push(buffer);
            }
        }
        self.pending_bytes = self.pending.iter().map(Buffer::footprint).sum();
    }

    /// Brings the bytes down to the budget, as far as may be.
    pub(super) fn trim(&mut self) {
        let unread = self.slowest().unwrap_or(u64::MAX);
        while self.is_over()
            && let Some(oldest) = self.groups.pop_front_if(|group| group.timestamp() < unread)
        {
            self.floor = self.floor.max(oldest.timestamp() + 1);
            self.group_bytes -= oldest.footprint();
            self.gone_groups.push(oldest);
        }
        if self.is_over() && self.may_lose() {
            // A stopped writer holds everything back.
            let latest = self.pending.iter().filter_map(Buffer::latest).max();
            self.floor = self.floor.max(latest.map_or(self.low, |latest| latest + 1));
            self.gone_pending.append(&mut self.pending);
            self.pending_bytes = 0;
        }
    }

    fn is_over(&self) -> bool {
        self.bytes() > self.budget_bytes
    }

    /// Bytes of what is kept.
    pub(super) fn bytes(&self) -> usize {
        self.group_bytes + self.pending_bytes
    }

    /// Up to where the slowest lossless consumer has read, if there is one.
    pub(super) fn slowest(&self) -> Option<u64> {
        self.lossless.iter().map(|consumer| consumer.next).min()
    }

    /// Whether writers have to wait for a lossless consumer, or for history.
    pub(super) fn is_full(&self) -> bool {
        self.is_over() && !self.may_lose()
    }

    fn may_lose(&self) -> bool {
        self.lossless.is_empty() && self.history.is_none()
    }

    /// The groups from `next` on, of at most about `most_bytes` but at least one if there is any; and through what timestamp that is everything.
    pub(super) fn read(&self, next: u64, most_bytes: usize) -> (Vec<Arc<Group<O>>>, u64) {
        let first = self.groups.partition_point(|group| group.timestamp() < next);
        let mut bytes = 0;
        let mut groups = Vec::new();
        for group in self.groups.range(first..) {
            bytes += group.footprint();
            if bytes > most_bytes && !groups.is_empty() {
                break;
            }
            groups.push(Arc::clone(group));
        }
        let all = first + groups.len() == self.groups.len();
        let last = groups.last().map(|group| group.timestamp());
        let through = last.filter(|_| !all).unwrap_or(self.low.saturating_sub(1));
        (groups, through)
    }

    /// A new lossless consumer, which gets everything that is not final yet: its number and where it begins.
    pub(super) fn add_lossless(&mut self) -> (u64, u64) {
        self.consumers += 1;
        let next = self.low;
        self.lossless.push(Lossless { number: self.consumers, next });
        (self.consumers, next)
    }

    /// Notes how far a consumer has read.
    pub(super) fn advance(&mut self, number: u64, next: u64) {
        if let Some(consumer) = self.lossless.iter_mut().find(|it| it.number == number) {
            consumer.next = next;
        }
    }

    pub(super) fn remove_lossless(&mut self, number: u64) {
        self.lossless.retain(|consumer| consumer.number != number);
    }
}

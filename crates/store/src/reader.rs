//! [`View`]: reading by a lease; [`Reader`]: a lease that snapshots share. A transaction holds its lease itself.
//!
//! # Invariants
//! 1. A read looks at the lease after the walk. If the lease still holds, every version that the read needed was linked during the walk; if not,
//!    the answer is thrown away and the reader is told.

use crate::engine::{Engine, HeadOf, Version, uncapped};
use crate::entry::Entry;
use crate::error::SnapshotExpired;
use crate::lease::Lease;
use crate::step::Step;
use crate::walk::walk;
use std::sync::Arc;

/// Steps over empty bins that an iteration makes for one key that it was asked for.
pub(crate) const EMPTY_BINS: usize = 10;

/// A lease that is held for as long as this lives.
pub(crate) struct Reader<O: Send + Sync + 'static> {
    pub(crate) engine: Arc<Engine<O>>,
    pub(crate) lease: Lease,
    pub(crate) now_ms: u64,
}

impl<O: Send + Sync + 'static> Drop for Reader<O> {
    fn drop(&mut self) {
        self.engine.leases.release(self.lease);
    }
}

impl<O: Send + Sync + 'static> Reader<O> {
    pub(crate) fn new(engine: Arc<Engine<O>>, now_ms: u64) -> Self {
        let lease = engine.take_lease();
        Reader { engine, lease, now_ms }
    }

    #[inline]
    pub(crate) fn view(&self) -> View<'_, O> {
        View { engine: &self.engine, lease: self.lease, now_ms: self.now_ms }
    }
}

impl<O: Send + Sync + 'static> Engine<O> {
    #[inline]
    pub(crate) fn take_lease(&self) -> Lease {
        self.leases.take_by(&self.clock, || self.at_step(Step::LeaseAnnounced))
    }
}

/// Reads by a lease that somebody holds.
pub(crate) struct View<'e, O: Send + Sync + 'static> {
    pub(crate) engine: &'e Engine<O>,
    pub(crate) lease: Lease,
    pub(crate) now_ms: u64,
}

impl<O: Send + Sync + 'static> View<'_, O> {
    pub(crate) fn check(&self) -> Result<(), SnapshotExpired> {
        if self.engine.leases.holds(self.lease) { Ok(()) } else { Err(SnapshotExpired) }
    }

    #[inline]
    pub(crate) fn get_with<R>(
        &self,
        space: u8,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        self.get_hashed(space, self.engine.space(space).hash(key), key, |_| (), f)
    }

    /// `meet` is shown the key's head, if it has one, before it is known which version is seen.
    #[inline]
    pub(crate) fn get_hashed<R>(
        &self,
        space: u8,
        hash: u64,
        key: &[u8],
        meet: impl FnOnce(HeadOf<'_, O>),
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        let touch = |version: Version<'_, O>| self.engine.touch(version, self.now_ms);
        self.look_at(space, hash, key, meet, touch, f)
    }

    /// As `get_hashed`, but it is not noted as a use of the key.
    pub(crate) fn peek_hashed<R>(
        &self,
        space: u8,
        hash: u64,
        key: &[u8],
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        self.look_at(space, hash, key, |_| (), |_| (), f)
    }

    #[inline(always)]
    fn look_at<R>(
        &self,
        space: u8,
        hash: u64,
        key: &[u8],
        meet: impl FnOnce(HeadOf<'_, O>),
        note: impl FnOnce(Version<'_, O>),
        f: impl FnOnce(Option<Entry<'_, O>>) -> R,
    ) -> Result<R, SnapshotExpired> {
        let index = self.engine.space(space);
        let guard = self.engine.collector.pin();
        let head = uncapped(index.find(&guard, hash, key));
        let found = head.and_then(|head| {
            meet(head);
            self.engine.visible_at(&guard, head.version(), self.lease.read_timestamp)
        });
        self.check()?;
        if let Some((version, _)) = found {
            note(version);
        }
        Ok(f(found.and_then(|(version, stamp)| Entry::of(version, stamp, self.now_ms))))
    }

    pub(crate) fn scan(
        &self,
        space: u8,
        mut cursor: u64,
        count: usize,
        mut f: impl FnMut(Entry<'_, O>),
    ) -> Result<u64, SnapshotExpired> {
        let index = self.engine.space(space);
        let (mut visited, mut steps) = (0, 0);
        loop {
            let guard = self.engine.collector.pin();
            let mut alive = Ok(());
            let walked = walk(index, &guard, cursor, count.saturating_sub(visited), |head| {
                let found =
                    self.engine.visible_at(&guard, head.version(), self.lease.read_timestamp);
                alive = alive.and_then(|()| self.check());
                if let Some(entry) =
                    found.and_then(|(version, stamp)| Entry::of(version, stamp, self.now_ms))
                    && alive.is_ok()
                {
                    visited += 1;
                    f(entry);
                }
            });
            alive?;
            cursor = walked.next;
            steps += walked.bins;
            if cursor == 0 || visited >= count.max(1) || steps >= count.saturating_mul(EMPTY_BINS) {
                return Ok(cursor);
            }
        }
    }
}

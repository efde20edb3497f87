//! Choosing one key and removing it.

use super::EvictionPolicy;
use super::sampling::Look;
use crate::counters::Figure;
use crate::engine::{Engine, uncapped};
use crate::expiry::try_lock;
use crate::listener::RemovalReason;
use crate::write::Place;
use stillpoint_structures::NewValue;

/// Candidates that are kept for the next time.
const KEPT: usize = 16;
/// Times that candidates are looked for, if none of those found will do.
const ROUNDS: usize = 4;

/// A key that may go: one version of it, and its usage when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The higher, the sooner.
    pub(crate) score: u64,
    pub(crate) space: u8,
    pub(crate) hash: u64,
    pub(crate) stamp: u64,
    pub(crate) usage: u16,
}

/// What came of the wish to evict a key.
pub(super) enum Outcome {
    /// So many bytes.
    Freed(u64),
    /// No key may go.
    Nothing,
    /// Others are at it.
    Busy,
}

/// Adds a candidate to some in ascending order, of which the best are kept.
pub(crate) fn keep(pool: &mut Vec<Candidate>, candidate: Candidate) {
    let is_same = |one: &Candidate| one.hash == candidate.hash && one.space == candidate.space;
    pool.retain(|one| !is_same(one));
    let place = pool.partition_point(|one| one.score <= candidate.score);
    if pool.len() < KEPT {
        pool.insert(place, candidate);
    } else if place > 0 {
        pool[..place].rotate_left(1);
        pool[place - 1] = candidate;
    }
}

impl<O: Send + Sync + 'static> Engine<O> {
    /// Evicts a key.
    pub(super) fn evict_one(&self, now_ms: u64) -> Outcome {
        let look = Look { rules: self.evictor.rules(), gauge: self.evictor.gauge(), now_ms };
        if look.rules.policy() == EvictionPolicy::None {
            return Outcome::Nothing;
        }
        // Who finds others at it looks for himself.
        let mut shared = try_lock(&self.evictor.pool);
        let mut own = Vec::new();
        let pool = match &mut shared {
            Some(shared) if look.rules.policy() != EvictionPolicy::Random => &mut **shared,
            _ => &mut own,
        };
        let mut is_sure = true;
        for _ in 0..ROUNDS {
            is_sure = self.look_for_candidates(&look, pool);
            while let Some(candidate) = pool.pop() {
                if let Some(freed) = self.evict(&look, candidate) {
                    return Outcome::Freed(freed);
                }
            }
        }
        if is_sure { Outcome::Nothing } else { Outcome::Busy }
    }

    /// Removes the candidate if it is still what it was.
    fn evict(&self, look: &Look, candidate: Candidate) -> Option<u64> {
        let key = self.key_of(candidate)?;
        let index = self.space(candidate.space);
        let place = Place { index, space: candidate.space, hash: candidate.hash, key: &key };
        let (freed, reason) = {
            let guard = self.collector.pin();
            let target = self.target(&guard, &place);
            let (version, stamp) = target.base.filter(|_| target.is_value())?;
            let is_expired = version.expire_at().is_some_and(|at| at <= look.now_ms);
            let is_same = stamp.get() == candidate.stamp && version.usage() == candidate.usage;
            let may_go = version.expire_at().is_some() || !look.rules.volatile_only();
            if !(is_expired || is_same && may_go) {
                return None;
            }
            let freed = version.bytes() + version.object_bytes();
            let tombstone = index.new_version(&key, NewValue::Tombstone, 0, None).ok()?;
            self.write(&guard, &place, &target, tombstone).ok()?;
            let reason = if is_expired { RemovalReason::Expired } else { RemovalReason::Evicted };
            (freed as u64, reason)
        };
        let figure = match reason {
            RemovalReason::Expired => Figure::ExpiredKeys,
            RemovalReason::Evicted => Figure::EvictedKeys,
        };
        self.counters.own().add(figure, 1);
        self.tell_of_removal(candidate.space, &key, reason);
        Some(freed)
    }

    /// The key of a candidate, if it is still there.
    fn key_of(&self, candidate: Candidate) -> Option<Box<[u8]>> {
        let index = self.space(candidate.space);
        let guard = self.collector.pin();
        let mut found = None;
        uncapped(index.sample(&guard, candidate.hash, |head| {
            let key = head.version().key();
            if index.hash(key) == candidate.hash
                && self
                    .latest(&guard, head.version())
                    .is_some_and(|(_, stamp)| stamp.get() == candidate.stamp)
            {
                found = Some(key.into());
            }
        }));
        found
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_best_candidates_are_kept_in_order_and_each_key_once() {
        let mut pool = Vec::new();
        for number in 0..100u64 {
            let score = number * 37 % 100;
            let candidate = Candidate { score, space: 0, hash: score / 2, stamp: 0, usage: 0 };
            keep(&mut pool, candidate);
        }
        assert_eq!(pool.len(), KEPT);
        assert!(pool.is_sorted_by_key(|candidate| candidate.score));
        let mut hashes: Vec<u64> = pool.iter().map(|candidate| candidate.hash).collect();
        hashes.dedup();
        assert_eq!(hashes.len(), KEPT);
        assert!(pool[0].score >= 60, "{pool:?}");
    }
}

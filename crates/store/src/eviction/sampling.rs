//! Looking at some keys.
//!
//! | wanted | where it is looked |
//! |---|---|
//! | any key | bins drawn by chance; in a space that was emptied, the next key from there |
//! | one that expires | the same, then records of the expiry calendar around times drawn by chance |
//! | the one that expires soonest | the first records of the calendar; while another thread is there, as one that expires |
//!
//! Records are taken out of the calendar and put back if their keys are still there, so those of keys that went before are met once.

use super::usage::{Gauge, Rank};
use super::victim::{Candidate, keep};
use super::{EvictionPolicy, Rules};
use crate::engine::{Engine, HeadOf, uncapped};
use crate::expiry::Due;
use stillpoint_structures::Guard;

/// Bins that are drawn at most.
const DRAWS: usize = 24;
/// Bins that are walked over at most, if nothing was drawn.
const WALK: usize = 4096;

/// Records that are taken out of the calendar at a time, and how often.
const RECORDS: usize = 16;
const TAKES: usize = 256;

/// By what keys are looked at.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) rules: Rules,
    pub(super) gauge: Gauge,
    pub(super) now_ms: u64,
}

impl<O: Send + Sync + 'static> Engine<O> {
    /// Adds to `pool` about as many candidates as are wanted. Whether it could look wherever there may be some.
    pub(super) fn look_for_candidates(&self, look: &Look, pool: &mut Vec<Candidate>) -> bool {
        let wanted = look.rules.samples();
        if look.rules.policy() == EvictionPolicy::Ttl && self.look_at_records(look, pool, || None) {
            return true;
        }
        let mut seen = 0;
        for _ in 0..DRAWS {
            if seen >= wanted {
                return true;
            }
            let Some(space) = self.some_space() else { return true };
            seen += self.look_at_bin(look, space, self.evictor.draw(), pool);
        }
        if look.rules.volatile_only() {
            return self.look_at_records(look, pool, || Some(self.evictor.draw()));
        }
        if seen == 0 {
            self.walk(look, pool);
        }
        true
    }

    /// A space that is not empty.
    fn some_space(&self) -> Option<u8> {
        let count = self.spaces().count() as u64;
        let first = self.evictor.draw();
        let mut spaces = (0..count).map(|step| (first.wrapping_add(step) % count) as u8);
        spaces.find(|space| self.counters.keys(*space) > 0)
    }

    /// How many of a bin's keys may be evicted by this policy, whether now or not.
    fn look_at_bin(&self, look: &Look, space: u8, random: u64, pool: &mut Vec<Candidate>) -> usize {
        let guard = self.collector.pin();
        let mut seen = 0;
        uncapped(self.space(space).sample(&guard, random, |head| {
            seen += usize::from(self.look_at(look, space, &guard, head, pool));
        }));
        seen
    }

    /// Goes through records until so many keys are found as are wanted. `false` if another thread is at it.
    fn look_at_records(
        &self,
        look: &Look,
        pool: &mut Vec<Candidate>,
        draw: impl Fn() -> Option<u64>,
    ) -> bool {
        let mut seen = 0;
        for _ in 0..TAKES {
            let Some(records) = self.expiry.take_some(RECORDS, draw()) else { return false };
            if records.is_empty() || seen >= look.rules.samples() {
                records.iter().for_each(|due| self.expiry.push(due.space(), due.hash, due.at()));
                return true;
            }
            seen += records.iter().filter(|due| self.look_at_record(look, **due, pool)).count();
        }
        true
    }

    /// Whether there is such a key; its record is put back then.
    fn look_at_record(&self, look: &Look, due: Due, pool: &mut Vec<Candidate>) -> bool {
        let index = self.space(due.space());
        let guard = self.collector.pin();
        let mut is_there = false;
        uncapped(index.sample(&guard, due.hash, |head| {
            if index.hash(head.version().key()) == due.hash {
                is_there |= self.look_at(look, due.space(), &guard, head, pool);
            }
        }));
        if is_there {
            self.expiry.push(due.space(), due.hash, due.at());
        }
        is_there
    }

    /// Goes on from some bin to the next key.
    fn walk(&self, look: &Look, pool: &mut Vec<Candidate>) {
        let Some(space) = self.some_space() else { return };
        let index = self.space(space);
        let mut cursor = self.evictor.draw() & (index.stats().bins as u64 - 1);
        for _ in 0..WALK {
            let guard = self.collector.pin();
            let mut seen = 0;
            cursor = uncapped(index.scan(&guard, cursor, |head| {
                seen += usize::from(self.look_at(look, space, &guard, head, pool));
            }));
            if seen > 0 {
                return;
            }
        }
    }

    /// Whether the key may be evicted by this policy; if it may now, it becomes a candidate.
    fn look_at<'g>(
        &'g self,
        look: &Look,
        space: u8,
        guard: &'g Guard<'g>,
        head: HeadOf<'g, O>,
        pool: &mut Vec<Candidate>,
    ) -> bool {
        let Some((version, stamp)) = self.latest(guard, head.version()) else { return false };
        let expire_at = version.expire_at();
        if version.is_tombstone() || look.rules.volatile_only() && expire_at.is_none() {
            return false;
        }
        if let Some(usage) = look.gauge.freshened(version.usage()) {
            version.set_usage(usage);
        }
        let usage = version.usage();
        let score = match look.rules.policy() {
            _ if expire_at.is_some_and(|at| at <= look.now_ms) => u64::MAX,
            EvictionPolicy::Ttl => u64::MAX - expire_at.unwrap_or(u64::MAX),
            EvictionPolicy::Random | EvictionPolicy::None => self.evictor.draw() >> 1,
            _ => match look.gauge.rank(usage) {
                Rank::Goes(score) => score,
                Rank::Stays(usage) => {
                    version.set_usage(usage);
                    return true;
                }
            },
        };
        let hash = self.space(space).hash(version.key());
        keep(pool, Candidate { score, space, hash, stamp: stamp.get(), usage });
        true
    }
}

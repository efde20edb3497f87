//! What the 16 bits of usage mean that each key's newest version carries.
//!
//! ```text
//!             15                  8 7                0
//!  recency   │ second of the last use (1 – 65,535; 0: never noted) │
//!  frequency │ minute of the last use  │ logarithmic counter       │
//!  turnover  │ generation in which it came (14)            │ uses 2│
//! ```
//! A hit writes only if the word changes: once a second, now and then, three times.
//!
//! Clocks wrap. A word that is met while sampling and is half a turn old is set to just that age, so only a key that is neither used nor looked at
//! for the other half is taken for a younger one.
//!
//! The counter is Morris' (Counting Large Numbers of Events in Small Registers, 1978), with decay, as Redis has it. Turnover is S3-FIFO's idea
//! (Yang and others, FIFO Queues Are All You Need for Cache Eviction, 2023) without queues: how many bytes have been evicted since a key came says
//! where in the queue it would be.

/// What is noted at a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracking {
    Off,
    Recency,
    Frequency,
    Turnover,
}

/// A new key's counter.
const FIRST_COUNT: u8 = 5;
/// Generations in which everything is turned over once.
pub(crate) const GENERATIONS: u64 = 64;
/// Generations that a key has to be used for the first time: a tenth.
const PROBATION: u16 = 6;
const GENERATION_MASK: u16 = (1 << 14) - 1;
const MOST_USES: u16 = 3;
/// Above what any age or count gives.
const FIRST: u64 = 1 << 32;

/// The clocks and settings by which usage is read and written at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauge {
    pub(crate) tracking: Tracking,
    pub(crate) seconds: u32,
    pub(crate) generation: u64,
    pub(crate) log_factor: u32,
    pub(crate) decay_minutes: u32,
}

/// What a look at a key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// The higher, the sooner it goes.
    Goes(u64),
    /// Not now; its usage is to become this.
    Stays(u16),
}

impl Gauge {
    fn second(&self) -> u16 {
        (self.seconds as u16).max(1)
    }

    fn minute(&self) -> u8 {
        (self.seconds / 60) as u8
    }

    fn generation(&self) -> u16 {
        self.generation as u16 & GENERATION_MASK
    }

    /// The usage of a version that is written on top of one of usage `before`, or as a new key.
    pub(crate) fn written(&self, before: Option<u16>, draw: impl FnOnce() -> u64) -> u16 {
        match (self.tracking, before) {
            (Tracking::Off, _) => 0,
            (_, Some(before)) => self.used(before, draw),
            (Tracking::Recency, None) => self.second(),
            (Tracking::Frequency, None) => of_count(self.minute(), FIRST_COUNT),
            (Tracking::Turnover, None) => self.generation() << 2,
        }
    }

    /// The usage after one more use.
    #[inline]
    pub(crate) fn used(&self, usage: u16, draw: impl FnOnce() -> u64) -> u16 {
        match self.tracking {
            Tracking::Off => usage,
            Tracking::Recency => self.second(),
            Tracking::Frequency => {
                let count = self.count(usage);
                let above = u64::from(count.saturating_sub(FIRST_COUNT));
                let odds = above * u64::from(self.log_factor) + 1;
                let more = count < u8::MAX && (odds == 1 || draw().is_multiple_of(odds));
                of_count(self.minute(), count + u8::from(more))
            }
            Tracking::Turnover if usage & MOST_USES == MOST_USES => usage,
            Tracking::Turnover => usage + 1,
        }
    }

    /// The decayed counter.
    pub(crate) fn count(&self, usage: u16) -> u8 {
        let minutes = self.minute().wrapping_sub((usage >> 8) as u8);
        let lost = u32::from(minutes).checked_div(self.decay_minutes).unwrap_or(0);
        (usage as u8).saturating_sub(lost.min(255) as u8)
    }

    /// Seconds since the last use.
    pub(crate) fn idle_seconds(&self, usage: u16) -> u16 {
        if usage == 0 { u16::MAX } else { self.second().wrapping_sub(usage) }
    }

    /// A usage that says so many seconds without use.
    pub(crate) fn idle_for(&self, seconds: u32) -> u16 {
        self.second().wrapping_sub(seconds.min(u32::from(u16::MAX) - 1) as u16).max(1)
    }

    /// A usage that says this count.
    pub(crate) fn counted(&self, count: u8) -> u16 {
        of_count(self.minute(), count)
    }

    /// Where a key of this usage stands.
    pub(crate) fn rank(&self, usage: u16) -> Rank {
        match self.tracking {
            Tracking::Off => Rank::Goes(0),
            Tracking::Recency => Rank::Goes(u64::from(self.idle_seconds(usage))),
            Tracking::Frequency => Rank::Goes(u64::from(u8::MAX - self.count(usage))),
            Tracking::Turnover => self.rank_by_turnover(usage),
        }
    }

    fn rank_by_turnover(&self, usage: u16) -> Rank {
        let age = self.generation().wrapping_sub(usage >> 2) & GENERATION_MASK;
        let uses = usage & MOST_USES;
        if uses > 0 && u64::from(age) >= GENERATIONS {
            // Once around: it begins anew, and one of its uses is forgotten.
            return Rank::Stays(self.generation() << 2 | (uses - 1));
        }
        Rank::Goes(match uses {
            0 if age >= PROBATION => 2 * FIRST + u64::from(age),
            0 => FIRST + u64::from(age),
            _ => u64::from(MOST_USES - uses) << 16 | u64::from(age),
        })
    }

    /// The same usage with an age that will not soon be taken for a smaller one; if that is not the usage as it is.
    pub(crate) fn freshened(&self, usage: u16) -> Option<u16> {
        const HALF: u16 = 1 << 15;
        match self.tracking {
            Tracking::Recency if usage != 0 && self.idle_seconds(usage) > HALF => {
                Some(self.second().wrapping_sub(HALF).max(1))
            }
            Tracking::Frequency if self.minute().wrapping_sub((usage >> 8) as u8) > 1 << 7 => {
                Some(of_count(self.minute(), self.count(usage)))
            }
            _ => None,
        }
    }
}

fn of_count(minute: u8, count: u8) -> u16 {
    u16::from(minute) << 8 | u16::from(count)
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;

    fn gauge(tracking: Tracking, seconds: u32) -> Gauge {
        Gauge { tracking, seconds, generation: 0, log_factor: 10, decay_minutes: 1 }
    }

    #[test]
    fn recency_tells_seconds_also_around_the_end_of_its_clock() {
        for start in [1, 1000, 65_530, 1 << 20] {
            let usage = gauge(Tracking::Recency, start).written(None, || 0);
            for later in [0, 3, 1000, 40_000] {
                let now = gauge(Tracking::Recency, start + later);
                assert!(now.idle_seconds(usage).abs_diff(later as u16) <= 1, "{start} {later}");
            }
        }
        let now = gauge(Tracking::Recency, 70_000);
        assert_eq!(now.idle_seconds(now.idle_for(1000)), 1000);
        assert_eq!(now.idle_seconds(0), u16::MAX, "never noted is longest ago");
        let old = now.idle_for(40_000);
        assert_eq!(now.idle_seconds(now.freshened(old).unwrap()), 1 << 15);
    }

    #[test]
    fn a_count_grows_by_the_logarithm_and_falls_by_the_minute() {
        let now = gauge(Tracking::Frequency, 6_000);
        let mut usage = now.written(None, || 0);
        assert_eq!(now.count(usage), 5);
        let mut state = 1u64;
        for _ in 0..1_000_000 {
            usage = now.used(usage, || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state >> 33
            });
        }
        // Redis' table says 255 for a million hits at factor 10.
        assert_eq!(now.count(usage), 255);
        assert_eq!(gauge(Tracking::Frequency, 6_000 + 600).count(usage), 245);
        assert_eq!(now.count(now.counted(100)), 100);
    }

    #[test]
    fn keys_that_are_wanted_once_go_first_and_used_ones_once_around() {
        let at = |generation| Gauge { generation, ..gauge(Tracking::Turnover, 0) };
        let fresh = at(0).written(None, || 0);
        let used = at(0).used(fresh, || 0);
        let goes = |rank| match rank {
            Rank::Goes(score) => score,
            Rank::Stays(_) => panic!("it may go"),
        };
        assert!(goes(at(10).rank(fresh)) > goes(at(10).rank(at(8).written(None, || 0))));
        assert!(goes(at(2).rank(fresh)) > goes(at(2).rank(used)));
        let Rank::Stays(again) = at(GENERATIONS).rank(used) else { panic!("it has one more turn") };
        assert!(goes(at(2 * GENERATIONS).rank(again)) >= goes(at(GENERATIONS).rank(fresh)));
    }
}

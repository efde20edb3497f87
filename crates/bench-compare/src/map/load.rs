//! [`Load`]: threads that read and write one map, and what they took.

use super::subject::{MapSubject, OrderedSubject, Value};
use crate::crew::contend;
use crate::plan::Figure;
use std::hint::black_box;
use stillpoint_testkit::{Random, Zipf, peak_rss_bytes};

const EXPONENT: f64 = 0.99;
const DRAWS: usize = 1 << 18;

/// How many threads, for how long, on how many keys.
pub(crate) struct Load {
    pub(crate) threads: u64,
    pub(crate) millis: u64,
    pub(crate) keys: u64,
}

#[inline(always)]
fn value(word: u64) -> Value {
    [word; 8]
}

impl Load {
    /// All keys present; `reads` per cent gets, else puts.
    pub(crate) fn zipf<M: MapSubject>(&self, reads: u64) -> Vec<Figure> {
        let map = M::new();
        (0..self.keys).for_each(|key| map.put(key, value(key)));
        let zipf = &Zipf::new(self.keys as u32, EXPONENT, DRAWS, &mut Random::new(1));
        let map = &map;
        self.run(|thread| {
            let mut random = Random::new(thread);
            let mut position = random.below(zipf.period() as u64) as usize;
            move || {
                position += 1;
                let key = u64::from(zipf.key(position));
                if random.percent(reads) {
                    black_box(map.get(key));
                } else {
                    map.put(key, value(position as u64));
                }
            }
        })
    }

    /// Half of the keys present, `reads` per cent gets, else insertions and removals.
    pub(crate) fn mix<M: MapSubject>(&self, reads: u64) -> Vec<Figure> {
        let map = M::new();
        (0..self.keys).step_by(2).for_each(|key| map.put(key, value(key)));
        let map = &map;
        self.run(|thread| {
            let mut random = Random::new(thread);
            move || {
                let key = random.below(self.keys);
                if random.percent(reads) {
                    black_box(map.get(key));
                } else if random.percent(50) {
                    map.put(key, value(thread));
                } else {
                    black_box(map.remove(key));
                }
            }
        })
    }

    /// Walks over 100 neighbours, and 10 % puts.
    pub(crate) fn ranges<M: OrderedSubject>(&self) -> Vec<Figure> {
        let map = M::new();
        (0..self.keys).for_each(|key| map.put(key, value(key)));
        let map = &map;
        self.run(|thread| {
            let mut random = Random::new(thread);
            move || {
                let key = random.below(self.keys);
                if random.percent(90) {
                    black_box(map.sum_from(key, 100));
                } else {
                    map.put(key, value(thread));
                }
            }
        })
    }

    fn run<F: FnMut()>(&self, make: impl Fn(u64) -> F + Sync) -> Vec<Figure> {
        let mut figures = contend(self.threads, self.millis, make);
        figures.push(Figure::new("peak_rss_bytes", "bytes", peak_rss_bytes() as f64));
        figures
    }
}

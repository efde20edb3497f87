//! YCSB's core workloads, in its order: one load, then A, B, C, F, mere puts, D and E, each for as long.
//!
//! | workload | operations | keys |
//! |---|---|---|
//! | A | 50 % reads, 50 % puts | Zipf 0.99, the popular ones scattered |
//! | B | 95 % reads, 5 % puts | the same |
//! | C | reads | the same |
//! | F | 50 % reads, 50 % read-modify-writes of one key | the same |
//! | puts | puts (not YCSB's) | the same |
//! | D | 95 % reads, 5 % insertions of new keys | Zipf 0.99 over the age of keys: the newest are read most |
//! | E | 95 % scans of 1 to 100 keys, 5 % insertions | the first one as in A |
//!
//! A read copies the value out. The order of keys is not the order of insertion.

use super::load::Load;
use super::subject::{MAX_VALUE_BYTES, Subject};
use crate::crew::Gate;
use crate::plan::Figure;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use stillpoint_testkit::{Random, Zipf, key};

pub(crate) const EXPONENT: f64 = 0.99;
pub(crate) const DRAWS: usize = 1 << 18;
const LONGEST_SCAN: u64 = 100;

/// Per cent of each operation; the rest are reads.
struct Mix {
    name: &'static str,
    puts: u64,
    inserts: u64,
    scans: u64,
    modifies: u64,
    reads_newest: bool,
}

const READS: Mix =
    Mix { name: "c", puts: 0, inserts: 0, scans: 0, modifies: 0, reads_newest: false };

const MIXES: [Mix; 7] = [
    Mix { name: "a", puts: 50, ..READS },
    Mix { name: "b", puts: 5, ..READS },
    READS,
    Mix { name: "f", modifies: 50, ..READS },
    Mix { name: "puts", puts: 100, ..READS },
    Mix { name: "d", inserts: 5, reads_newest: true, ..READS },
    Mix { name: "e", inserts: 5, scans: 95, ..READS },
];

/// Where keys come from; one for all threads.
pub(crate) struct Keys {
    popular: Zipf,
    /// Ages, likewise.
    ages: Box<[u32]>,
    present: AtomicU64,
}

impl Keys {
    pub(crate) fn new(count: u64) -> Self {
        let mut random = Random::new(1);
        let popular = Zipf::new(count as u32, EXPONENT, DRAWS, &mut random);
        // The inverse of the distribution as if ranks were a continuum: 1 + ∫₁ʳ x^-s dx rises as r^(1-s).
        let rest = 1.0 - EXPONENT;
        let most = (count as f64 + 1.0).powf(rest) - 1.0;
        let age = |_| {
            let at = random.next_u64() as f64 / u64::MAX as f64;
            ((1.0 + at * most).powf(1.0 / rest) - 1.0).min(count as f64 - 1.0) as u32
        };
        let ages = (0..DRAWS).map(age).collect();
        Keys { popular, ages, present: AtomicU64::new(count) }
    }

    pub(crate) fn popular(&self, position: usize) -> u64 {
        u64::from(self.popular.key(position))
    }

    /// Some key, more likely a new one. It may not be there yet.
    fn recent(&self, position: usize) -> u64 {
        let newest = self.present.load(Ordering::Relaxed) - 1;
        newest - u64::from(self.ages[position & (DRAWS - 1)])
    }

    fn fresh(&self) -> u64 {
        self.present.fetch_add(1, Ordering::Relaxed)
    }
}

/// Runs all workloads that the subject can do.
pub(crate) fn run<S: Subject>(load: &Load) -> Vec<Figure> {
    let store: S = load.filled();
    let keys = Keys::new(load.keys);
    run_a(&load.warming(), "warm", &store, &keys);
    let can_do =
        |mix: &&Mix| (S::MODIFIES || mix.modifies == 0) && (S::IS_ORDERED || mix.scans == 0);
    let run =
        |mix: &Mix| load.run(mix.name, &store, |thread| worker(load, mix, &store, &keys, thread)).0;
    MIXES.iter().filter(can_do).flat_map(run).collect()
}

/// YCSB-A, for the suite's other cases.
pub(crate) fn run_a<S: Subject>(load: &Load, part: &str, store: &S, keys: &Keys) -> Vec<Figure> {
    load.run(part, store, |thread| worker(load, &MIXES[0], store, keys, thread)).0
}

fn worker<'w, S: Subject>(
    load: &Load,
    mix: &'w Mix,
    store: &'w S,
    keys: &'w Keys,
    thread: u64,
) -> impl FnMut(&Gate) + use<'w, S> {
    let mut random = Random::new(thread);
    let mut position = random.below(DRAWS as u64) as usize;
    let mut value = load.value();
    let mut out = vec![0; MAX_VALUE_BYTES as usize];
    move |_| {
        position += 1;
        let mut dice = random.below(100);
        let mut falls = |share: u64| {
            let falls = dice < share;
            dice = dice.wrapping_sub(share);
            falls
        };
        if falls(mix.puts) {
            value[8..16].copy_from_slice(&(position as u64).to_le_bytes());
            store.put(&key(keys.popular(position)), &value);
        } else if falls(mix.inserts) {
            store.put(&key(keys.fresh()), &value);
        } else if falls(mix.scans) {
            let count = 1 + random.below(LONGEST_SCAN) as usize;
            black_box(store.scan(&key(keys.popular(position)), count, &mut out));
        } else if falls(mix.modifies) {
            store.modify(&key(keys.popular(position)));
        } else if mix.reads_newest {
            black_box(store.get(&key(keys.recent(position)), &mut out));
        } else {
            black_box(store.get(&key(keys.popular(position)), &mut out));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_read_most() {
        let keys = Keys::new(1000);
        let mut counts = vec![0u32; 1000];
        (0..DRAWS).for_each(|at| counts[keys.recent(at) as usize] += 1);
        assert!(
            counts[999] > counts[998] && counts[998] > counts[990] && counts[990] > counts[500]
        );
        let share = f64::from(counts[999]) / DRAWS as f64;
        assert!((0.08..0.14).contains(&share), "{share}");
    }
}

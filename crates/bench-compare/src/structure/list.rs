//! Sorted lists.

use super::crossbeam_list::CrossbeamList;
use crate::Outcome;
use crate::crew::contend;
use crate::plan::Figure;
use std::hint::black_box;
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_reclaim::hp::Hazard;
use stillpoint_reclaim::leak::Leak;
use stillpoint_reclaim::{Collector, Scheme};
use stillpoint_structures::List;
use stillpoint_testkit::Random;

/// How many threads, for how long, how many per cent gets, of how many keys.
#[derive(Clone, Copy)]
pub(super) struct Mix {
    pub(super) threads: u64,
    pub(super) millis: u64,
    pub(super) reads: u64,
    pub(super) keys: u64,
}

/// A sorted list of keys with values, shared by threads.
trait ListSubject: Sync {
    fn get(&self, key: u64) -> Option<u64>;
    fn insert(&self, key: u64);
    fn remove(&self, key: u64);
}

impl<S: Scheme> ListSubject for List<u64, u64, S> {
    #[inline(always)]
    fn get(&self, key: u64) -> Option<u64> {
        self.with(&key, |value| *value)
    }
    #[inline(always)]
    fn insert(&self, key: u64) {
        let _ = List::insert(self, key, key);
    }
    #[inline(always)]
    fn remove(&self, key: u64) {
        List::remove(self, &key);
    }
}

impl ListSubject for CrossbeamList {
    #[inline(always)]
    fn get(&self, key: u64) -> Option<u64> {
        CrossbeamList::get(self, key)
    }
    #[inline(always)]
    fn insert(&self, key: u64) {
        CrossbeamList::insert(self, key);
    }
    #[inline(always)]
    fn remove(&self, key: u64) {
        CrossbeamList::remove(self, key);
    }
}

pub(super) fn sample(subject: &str, mix: Mix) -> Outcome<Vec<Figure>> {
    match subject {
        "stillpoint-leased" => Ok(mix.run(&List::with_scheme(Collector::new()))),
        "stillpoint-ebr" => Ok(mix.run(&List::with_scheme(Ebr::new()))),
        "stillpoint-hp" => Ok(mix.run(&List::with_scheme(Hazard::new()))),
        "stillpoint-leak" => Ok(mix.run(&List::with_scheme(Leak::new()))),
        "crossbeam-epoch" => Ok(mix.run(&CrossbeamList::new())),
        other => Err(format!("there is no list {other:?}")),
    }
}

impl Mix {
    fn run(self, list: &impl ListSubject) -> Vec<Figure> {
        let Mix { threads, millis, reads, keys } = self;
        // In a random order, so that neighbours in the list are none in memory.
        let mut present: Vec<u64> = (0..keys).step_by(2).collect();
        let mut random = Random::new(7);
        for at in (1..present.len()).rev() {
            present.swap(at, random.below(at as u64 + 1) as usize);
        }
        present.into_iter().for_each(|key| list.insert(key));
        contend(threads, millis, |thread| {
            let mut random = Random::new(thread);
            move || {
                let key = random.below(keys);
                if random.percent(reads) {
                    black_box(list.get(key));
                } else if random.percent(50) {
                    list.insert(key);
                } else {
                    list.remove(key);
                }
            }
        })
    }
}

//! Sorted lists.

use super::contend;
use super::crossbeam_list::CrossbeamList;
use crate::Outcome;
use crate::plan::Figure;
use std::hint::black_box;
use stillpoint_reclaim::ebr::Ebr;
use stillpoint_reclaim::hp::Hazard;
use stillpoint_reclaim::leak::Leak;
use stillpoint_reclaim::{Collector, Scheme};
use stillpoint_structures::List;
use stillpoint_testkit::Random;

const KEYS: u64 = 1000;

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

pub(super) fn sample(subject: &str, threads: u64, millis: u64, reads: u64) -> Outcome<Vec<Figure>> {
    match subject {
        "stillpoint-leased" => {
            Ok(mix(&List::with_scheme(Collector::new()), threads, millis, reads))
        }
        "stillpoint-ebr" => Ok(mix(&List::with_scheme(Ebr::new()), threads, millis, reads)),
        "stillpoint-hp" => Ok(mix(&List::with_scheme(Hazard::new()), threads, millis, reads)),
        "stillpoint-leak" => Ok(mix(&List::with_scheme(Leak::new()), threads, millis, reads)),
        "crossbeam-epoch" => Ok(mix(&CrossbeamList::new(), threads, millis, reads)),
        other => Err(format!("there is no list {other:?}")),
    }
}

fn mix(list: &impl ListSubject, threads: u64, millis: u64, reads: u64) -> Vec<Figure> {
    // In a random order, so that neighbours in the list are none in memory.
    let mut keys: Vec<u64> = (0..KEYS).step_by(2).collect();
    let mut random = Random::new(7);
    for at in (1..keys.len()).rev() {
        keys.swap(at, random.below(at as u64 + 1) as usize);
    }
    keys.into_iter().for_each(|key| list.insert(key));
    contend(threads, millis, |thread| {
        let mut random = Random::new(thread);
        move || {
            let key = random.below(KEYS);
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

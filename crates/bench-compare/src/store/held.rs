//! A snapshot held during YCSB-A: first without, then with, in one process and over one fill; and what it makes the store keep.

use super::load::Load;
use super::subject::Versioned;
use super::ycsb::{self, Keys};
use crate::plan::Figure;
use stillpoint_testkit::key;

pub(crate) fn run<S: Versioned>(load: &Load) -> Result<Vec<Figure>, String> {
    let store: S = load.filled();
    let keys = Keys::new(load.keys);
    // What the first writes to each key cost beside later ones is nobody's.
    ycsb::run_a(&load.warming(), "warm", &store, &keys);
    let free = ycsb::run_a(load, "free", &store, &keys);
    let some = key(keys.popular(0));
    let held = store.hold();
    let seen = held(&some);
    let with = ycsb::run_a(load, "held", &store, &keys);
    let old_versions = store.old_versions();
    if held(&some) != seen {
        return Err("the snapshot changed".to_owned());
    }
    drop(held);
    let cpu = |figures: &[Figure]| figures[0].value;
    let ratio = cpu(&with) / cpu(&free);
    let mut figures: Vec<Figure> = free.into_iter().chain(with).collect();
    figures.push(Figure::new("held/held_over_free", "1", ratio));
    if let Some(versions) = old_versions {
        let per_key = versions as f64 / load.keys as f64;
        figures.push(Figure::new("held/extra_versions_per_key", "1", per_key));
    }
    Ok(figures)
}

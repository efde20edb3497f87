//! A price board: writers publish quotes and whole yield curves, readers ask for quotes, and a risk report must see all curves as of one
//! moment.
//!
//! ```text
//! cargo run --release --example price_board -- [--seconds 5] [--readers 96] [--writers 4]
//! ```
//! A curve is nine keys: eight rates, and their checksum under a ninth. Writers replace all nine in one transaction. Whoever reads the
//! nine from a [`Snapshot`] finds the checksum right. Whoever reads them one after the other finds some curves half old, half new.

use lexopt::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_store::{At, CommitError, Config, Entry, Snapshot, Store};
use stillpoint_testkit::{Histogram, Random};

const QUOTES: u64 = 1000;
const CURVES: u64 = 16;
const TENORS: [&str; 8] = ["1M", "3M", "6M", "1Y", "2Y", "5Y", "10Y", "30Y"];
/// Key space 0; nothing here expires, so the time does not matter.
const AT: At = At { space: 0, now_ms: 0 };

fn number(entry: Option<Entry<'_, ()>>) -> u64 {
    entry.and_then(|entry| entry.bytes()?.first_chunk().copied()).map_or(0, u64::from_le_bytes)
}

fn curve_key(curve: u64, tenor: &str) -> String {
    format!("curve:{curve:02}:{tenor}")
}

/// Replaces all rates of a curve, and their checksum, at one moment. Who meets another writer of the same curve tries again.
fn publish_curve(store: &Store, curve: u64, random: &mut Random) {
    loop {
        let mut transaction = store.begin(AT.now_ms);
        let mut checksum = 0u64;
        for tenor in TENORS {
            let rate = random.below(1 << 40);
            checksum += rate;
            transaction.set(0, curve_key(curve, tenor).as_bytes(), 0, &rate.to_le_bytes(), None);
        }
        transaction.set(0, curve_key(curve, "sum").as_bytes(), 0, &checksum.to_le_bytes(), None);
        match transaction.commit() {
            Err(CommitError::Conflict { .. }) => {}
            done => return done.expect("there is memory"),
        }
    }
}

/// Whether the curve's rates and checksum, as `read` finds them, do not fit together.
fn is_torn(curve: u64, read: impl Fn(&[u8]) -> u64) -> bool {
    let rates: u64 = TENORS.iter().map(|tenor| read(curve_key(curve, tenor).as_bytes())).sum();
    rates != read(curve_key(curve, "sum").as_bytes())
}

#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    quotes: AtomicU64,
    curves: AtomicU64,
}

fn write(store: &Store, tally: &Tally, seed: u64) {
    let mut random = Random::new(seed);
    while !tally.stop.load(Relaxed) {
        for _ in 0..20 {
            let quote = format!("quote:{:04}", random.below(QUOTES));
            let price = random.next_u64().to_le_bytes();
            store.set(AT, quote.as_bytes(), 0, &price, None).expect("there is memory");
        }
        publish_curve(store, random.below(CURVES), &mut random);
        tally.quotes.fetch_add(20, Relaxed);
        tally.curves.fetch_add(1, Relaxed);
    }
}

fn read(store: &Store, tally: &Tally, seed: u64) -> Histogram {
    let (mut random, mut latencies) = (Random::new(seed), Histogram::new());
    while !tally.stop.load(Relaxed) {
        let quote = format!("quote:{:04}", random.below(QUOTES));
        let started = Instant::now();
        std::hint::black_box(store.get_with(AT, quote.as_bytes(), number));
        latencies.record_duration(started.elapsed());
    }
    latencies
}

/// Risk reports until the time is up: cuts taken, torn ones among them, and torn ones among as many plain readings of the same keys.
fn report_risk(store: &Store, until: Instant) -> (u64, u64, u64) {
    let (mut cuts, mut torn, mut plain_torn) = (0, 0, 0);
    while Instant::now() < until {
        let cut: Snapshot = store.snapshot(AT.now_ms);
        let at_cut = |key: &[u8]| cut.get_with(0, key, number).expect("a cut without a deadline");
        let now = |key: &[u8]| store.get_with(AT, key, number);
        cuts += 1;
        torn += u64::from((0..CURVES).any(|curve| is_torn(curve, at_cut)));
        plain_torn += u64::from((0..CURVES).any(|curve| is_torn(curve, now)));
    }
    (cuts, torn, plain_torn)
}

fn main() -> Result<(), lexopt::Error> {
    let (mut seconds, mut readers, mut writers) = (5.0, 96, 4);
    let mut args = lexopt::Parser::from_env();
    while let Some(arg) = args.next()? {
        match arg {
            Long("seconds") => seconds = args.value()?.parse()?,
            Long("readers") => readers = args.value()?.parse()?,
            Long("writers") => writers = args.value()?.parse()?,
            other => return Err(other.unexpected()),
        }
    }
    let (store, tally) = (&Store::new(Config::default()), &Tally::default());
    let mut random = Random::new(0);
    (0..CURVES).for_each(|curve| publish_curve(store, curve, &mut random));
    println!("{QUOTES} quotes, {CURVES} curves; {writers} writers, {readers} readers, {seconds} s");
    let (latencies, (cuts, torn, plain_torn)) = thread::scope(|scope| {
        (0..writers).for_each(|seed| drop(scope.spawn(move || write(store, tally, seed))));
        let readers: Vec<_> =
            (0..readers).map(|seed| scope.spawn(move || read(store, tally, !seed))).collect();
        let risk = report_risk(store, Instant::now() + Duration::from_secs_f64(seconds));
        tally.stop.store(true, Relaxed);
        let mut all = Histogram::new();
        for reader in readers {
            all.merge(&reader.join().expect("a reader does not panic"));
        }
        (all, risk)
    });
    println!("reads    {:>10}   {latencies}", latencies.count());
    println!("quotes   {:>10}   written one by one", tally.quotes.load(Relaxed));
    println!("curves   {:>10}   written by transactions of 9 keys", tally.curves.load(Relaxed));
    println!("cuts     {cuts:>10}   {torn} torn");
    println!("no cuts  {cuts:>10}   {plain_torn} torn: the same check on plain reads");
    assert_eq!(torn, 0, "a snapshot must be one cut");
    Ok(())
}

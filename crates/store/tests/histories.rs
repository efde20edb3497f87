//! Histories of many threads, with threads stopped at random steps of the protocol, held against every isolation anomaly there is.
//!
//! | file | concept |
//! |---|---|
//! | `workload` | what threads do: transactions of 1 to 8 keys, writes of one key, snapshots that are held, on lists and registers |
//! | `stops` | where they are stopped meanwhile, and for how long |
//! | `round` | a store, its threads, its maintenance, and the verdict of both checkers |
//! | `heard` | what a feed handed out meanwhile |
//!
//! Every round is checked by `stillpoint_testkit::serializability`; every few rounds what happened to lists is checked by `adya` too. Expiry, collection and
//! snapshots that are ended for want of memory run beside; in half of the rounds keys that expire are evicted by each policy in turn, and in half a feed reads along.
//!
//! `STILLPOINT_HISTORY_S=1800` sets for how long (default: some seconds).
#![cfg(not(stillpoint_loom))]

#[path = "histories/heard.rs"]
mod heard;
#[path = "histories/round.rs"]
mod round;
#[path = "histories/stops.rs"]
mod stops;
#[path = "histories/workload.rs"]
mod workload;

use round::{Round, Total};
use std::time::{Duration, Instant};
use stillpoint_store::Isolation;

fn duration() -> Duration {
    let seconds = std::env::var("STILLPOINT_HISTORY_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(5))
}

#[test]
fn every_history_has_a_serial_order_that_agrees_with_time() {
    let (start, mut total) = (Instant::now(), Total::default());
    let mut seed = std::process::id().into();
    while start.elapsed() < duration() || total.rounds < Round::kinds() {
        seed += 1;
        let round = Round::of(seed);
        let history = round.run(Isolation::Serializable, &mut total);
        let report = total.check(&history);
        assert!(report.anomalies.is_empty(), "{round:?}\n{report}");
        if total.rounds % 5 == 1 {
            total.second_opinion(&history, "strict-serializable");
        }
    }
    println!("{total} in {:?}", start.elapsed());
    total.assert_much_happened();
}

#[test]
fn under_snapshot_isolation_there_is_write_skew_and_nothing_else() {
    let (start, mut total, mut skewed) = (Instant::now(), Total::default(), 0);
    let mut seed = std::process::id().into();
    while start.elapsed() < duration() / 2 || total.rounds < Round::kinds() || skewed == 0 {
        seed += 1;
        let round = Round::of(seed);
        let history = round.run(Isolation::Snapshot, &mut total);
        let report = total.check(&history);
        skewed += u64::from(report.assert_snapshot_isolation());
        if total.rounds % 5 == 1 {
            total.second_opinion(&history, "strong-snapshot-isolation");
        }
        assert!(skewed > 0 || total.rounds < 500, "no write skew: {total}");
    }
    println!("{total}, but for write skew in {skewed} rounds; in {:?}", start.elapsed());
}

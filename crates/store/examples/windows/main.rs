//! Stream processing over a change feed: sums by tumbling and sliding windows, checkpointed in the store that the events are in.
//!
//! ```text
//! cargo run --release -p stillpoint-store --example windows
//! ```
//! The job is killed a few times on its way. The sums are right all the same: see `job`, and tests/window_job.rs, which kills it at random.

mod job;

use job::{EVENTS, Ended, Event};
use stillpoint_store::{At, Config, Store, StreamConfig};

const AT: At = At { space: 0, now_ms: 0 };

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stream = Some(StreamConfig::default());
    let store: Store = Store::new(Config { stream, ..Config::default() });
    let mut events = Vec::new();
    for n in 0..1_000u64 {
        let event = Event { sensor: (n % 3) as u8, time_ms: n * 37, amount: (n % 10) as i64 };
        events.push(event);
        let key = [EVENTS, n.to_string().as_bytes()].concat();
        store.set(AT, &key, 0, event.encode().as_bytes(), None)?;
        if n % 250 == 249 {
            // The job runs a few steps, and dies.
            let mut steps = 0;
            let ended = job::run(
                &store,
                || None,
                || {
                    steps += 1;
                    if steps > 4 { Err(Ended::Killed) } else { Ok(()) }
                },
            );
            println!("after {} events: {}", n + 1, ended.expect_err("it has no end to reach"));
        }
    }
    let end = store.snapshot(0).timestamp();
    job::run(&store, || Some(end), || Ok(())).map_err(|ended| ended.to_string())?;
    for (window, sum) in job::sums(events) {
        let stored = store.get_with(AT, window.as_bytes(), |entry| {
            entry.and_then(|entry| entry.bytes().map(<[u8]>::to_vec))
        });
        assert_eq!(stored.as_deref(), Some(sum.to_string().as_bytes()), "{window}");
        if window.starts_with("tumbling/0/") {
            println!("{window:20} {sum:5}");
        }
    }
    Ok(())
}

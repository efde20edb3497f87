//! Keys that are due at one instant, among many that are not: how long until they are gone.

use super::process::Server;
use super::wire::{Wire, push};
use crate::Outcome;
use crate::plan::Figure;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const DUE: u64 = 2_000;
/// After so long it is not waited for any more.
const GIVEN_UP: Duration = Duration::from_secs(20);

/// Fills a database of the server's, and waits for the instant; `left` are the keys that are still counted when it was given up.
pub(crate) fn run(server: &Server, volatile: u64) -> Outcome<Vec<Figure>> {
    let mut wire = Wire::connect(server.port())?;
    wire.run(&["SELECT", "1"])?;
    wire.run(&["FLUSHDB"])?;
    set_all(&mut wire, "far", volatile, "3600000", "PX")?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |at| at.as_millis() as u64);
    let at_ms = now_ms + 1_500;
    set_all(&mut wire, "due", DUE, &at_ms.to_string(), "PXAT")?;
    let at = UNIX_EPOCH + Duration::from_millis(at_ms);
    let left_until = at.duration_since(SystemTime::now());
    thread::sleep(
        left_until.map_err(|_| "filling took longer than the keys were to live".to_owned())?,
    );
    let begun = Instant::now();
    let left = loop {
        let count: u64 =
            wire.ask(&["DBSIZE"])?.parse().map_err(|error| format!("DBSIZE: {error}"))?;
        let left = count.saturating_sub(volatile);
        if left == 0 || begun.elapsed() > GIVEN_UP {
            break left;
        }
        thread::sleep(Duration::from_millis(2));
    };
    let took = begun.elapsed().as_secs_f64() * 1e3;
    wire.run(&["FLUSHDB"])?;
    Ok(vec![Figure::new("gone_ms", "ms", took), Figure::new("left", "keys", left as f64)])
}

fn set_all(wire: &mut Wire, prefix: &str, keys: u64, when: &str, option: &str) -> Outcome {
    const BATCH: u64 = 1000;
    for first in (0..keys).step_by(BATCH as usize) {
        let batch = first..keys.min(first + BATCH);
        let mut requests = Vec::new();
        for number in batch.clone() {
            push(&mut requests, &["SET", &format!("{prefix}:{number}"), "v", option, when]);
        }
        wire.send(&requests)?;
        wire.skip((batch.end - batch.start) as usize)?;
    }
    Ok(())
}

//! One heavy command, and how long everybody else waits meanwhile.
//!
//! Four connections ask for a key each, one after the other, all the time; another sends the command. `worst_ms` is the longest that any of the four waited
//! from then until the reply was there (and 300 ms at least); `took_ms` how long that was. Case `heavy_nothing` is the same without a command,
//! for as long as the longest command takes: the more are asked, the longer is the longest wait.
//!
//! They share a core with whoever reads a reply of tens of megabytes, and shall not wait for that: those who watch take short turns, and who reads stands back.

use super::process::Server;
use super::wire::{Wire, push};
use crate::Outcome;
use crate::plan::Figure;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_primitive::scheduling;
use stillpoint_testkit::Histogram;

/// The least time that is watched.
const AT_LEAST: Duration = Duration::from_millis(300);
/// How long without a command.
const NOTHING: Duration = Duration::from_millis(900);
/// Between two questions of one connection.
const PAUSE: Duration = Duration::from_micros(200);
const WATCHERS: usize = 4;

/// How large the values are: elements of the hash, the list and the two sets.
pub(crate) struct Scale {
    pub(crate) elements: u64,
    /// GETs that the script sends, and SETs that the transaction has.
    pub(crate) gets: u64,
    pub(crate) sets: u64,
}

/// The cases; in this order, since the last ones remove what the others look at.
pub(crate) const CASES: &[&str] = &[
    "heavy_nothing",
    "heavy_keys",
    "heavy_hgetall",
    "heavy_lrange",
    "heavy_sunionstore",
    "heavy_sort",
    "heavy_eval",
    "heavy_multi",
    "heavy_del",
    "heavy_flushall",
];

/// Sees to it that what a case looks at is there.
pub(crate) fn fill_for(server: &Server, case: &str, scale: &Scale) -> Outcome {
    let wanted = match case {
        "heavy_hgetall" | "heavy_del" => "heavy:hash",
        "heavy_lrange" | "heavy_sort" => "heavy:list",
        "heavy_sunionstore" => "heavy:a",
        _ => return Ok(()),
    };
    match Wire::connect(server.port())?.ask(&["EXISTS", wanted])?.as_str() {
        "1" => Ok(()),
        _ => fill(server, scale),
    }
}

/// Fills in the large values.
fn fill(server: &Server, scale: &Scale) -> Outcome {
    const BATCH: u64 = 500;
    let mut wire = Wire::connect(server.port())?;
    wire.run(&["DEL", "heavy:hash", "heavy:list", "heavy:a", "heavy:b"])?;
    for first in (0..scale.elements).step_by(BATCH as usize) {
        let numbers = first..scale.elements.min(first + BATCH);
        let words = |head: [&str; 2], each: &dyn Fn(u64) -> Vec<String>| -> Vec<String> {
            head.into_iter().map(str::to_owned).chain(numbers.clone().flat_map(each)).collect()
        };
        let field = |n: u64| vec![format!("field:{n}"), format!("value:{n}")];
        // Spread, so that SORT has something to do.
        let spread = |n: u64| vec![(n.wrapping_mul(0x9e37_79b9) % 1_000_000_007).to_string()];
        let mut requests = Vec::new();
        push(&mut requests, &words(["HSET", "heavy:hash"], &field));
        push(&mut requests, &words(["RPUSH", "heavy:list"], &spread));
        push(&mut requests, &words(["SADD", "heavy:a"], &|n| vec![format!("member:{n}")]));
        push(
            &mut requests,
            &words(["SADD", "heavy:b"], &|n| vec![format!("member:{}", n + scale.elements / 2)]),
        );
        wire.send(&requests)?;
        wire.skip(4)?;
    }
    Ok(())
}

/// The requests of a case, and how many replies they have.
fn requests(case: &str, scale: &Scale) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut one = |words: &[&str]| {
        push(&mut bytes, words);
        1
    };
    let replies = match case {
        "heavy_keys" => one(&["KEYS", "*"]),
        "heavy_hgetall" => one(&["HGETALL", "heavy:hash"]),
        "heavy_lrange" => one(&["LRANGE", "heavy:list", "0", "-1"]),
        "heavy_sunionstore" => one(&["SUNIONSTORE", "heavy:union", "heavy:a", "heavy:b"]),
        "heavy_sort" => one(&["SORT", "heavy:list", "LIMIT", "0", "10"]),
        "heavy_eval" => {
            let script =
                format!("for i = 1, {} do redis.call('GET', 'key:000000000001') end", scale.gets);
            one(&["EVAL", &script, "1", "key:000000000001"])
        }
        "heavy_multi" => {
            one(&["MULTI"]);
            for number in 0..scale.sets {
                one(&["SET", &format!("multi:{number}"), "value"]);
            }
            one(&["EXEC"]);
            scale.sets as usize + 2
        }
        "heavy_del" => one(&["DEL", "heavy:hash"]),
        "heavy_flushall" => one(&["FLUSHALL"]),
        _ => 0,
    };
    (bytes, replies)
}

/// Runs one case.
pub(crate) fn run(server: &Server, case: &str, scale: &Scale) -> Outcome<Vec<Figure>> {
    let (bytes, replies) = requests(case, scale);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watchers: Vec<_> =
            (0..WATCHERS).map(|_| scope.spawn(|| watch(server.port(), &over))).collect();
        thread::sleep(Duration::from_millis(50));
        let begun = Instant::now();
        let sender = scope.spawn(|| {
            scheduling::give_way();
            let mut wire = Wire::connect(server.port())?;
            wire.send(&bytes)?;
            wire.skip(replies)
        });
        let done = sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let took = begun.elapsed();
        let least = if case == "heavy_nothing" { NOTHING } else { AT_LEAST };
        thread::sleep(least.saturating_sub(took));
        over.store(true, Ordering::Relaxed);
        let mut waits = Histogram::new();
        for watcher in watchers {
            waits.merge(&watcher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        done?;
        Ok(vec![
            Figure::new("worst_ms", "ms", waits.max() as f64 / 1e6),
            Figure::new("p99_ms", "ms", waits.at(0.99) as f64 / 1e6),
            Figure::new("took_ms", "ms", took.as_secs_f64() * 1e3),
        ])
    })
}

fn watch(port: u16, over: &AtomicBool) -> Outcome<Histogram> {
    scheduling::take_short_turns();
    let mut wire = Wire::connect(port)?;
    let mut waits = Histogram::new();
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        wire.run(&["GET", "key:000000000002"])?;
        waits.record_duration(asked.elapsed());
        thread::sleep(PAUSE);
    }
    Ok(waits)
}

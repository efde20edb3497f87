//! [`Backoff`]: how long a transaction that met a conflict stays out of the way.
//!
//! | aborts | before the next attempt |
//! |---|---|
//! | 1 | nothing |
//! | 2, 3 | the processor is offered to others |
//! | 4 … | a sleep of a random length up to 2, 4, 8 … 1,024 µs |

use crate::store::next_random;
use std::time::Duration;
use stillpoint_primitive::sync::thread;
use stillpoint_primitive::thread_slot;

/// Aborts up to which a transaction does not sleep.
const AWAKE: u32 = 3;
/// The longest sleep is 2 to this power, in microseconds.
const LONGEST: u32 = 10;

pub(super) struct Backoff {
    random: u64,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        let slot = thread_slot::current().unwrap_or(0) as u64;
        Backoff { random: seed ^ slot << 48 }
    }

    /// After so many aborts, of which at most `left` may be slept away.
    pub(super) fn wait(&mut self, aborts: u32, left: Option<Duration>) {
        if aborts <= 1 {
            return;
        }
        if aborts <= AWAKE {
            return thread::yield_now();
        }
        let most = 1 << (aborts - AWAKE).min(LONGEST);
        let time = Duration::from_micros(next_random(&mut self.random) % most + 1);
        sleep(left.map_or(time, |left| time.min(left)));
    }
}

#[cfg(not(stillpoint_loom))]
fn sleep(time: Duration) {
    thread::sleep(time);
}

/// A model has no clock.
#[cfg(stillpoint_loom)]
fn sleep(_: Duration) {
    thread::yield_now();
}

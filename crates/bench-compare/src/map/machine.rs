//! No map at all: what the machine takes away from two threads that only look at the clock, the floor of every stall beside it.

use super::subject::{MapSubject, Value};
use std::time::{Duration, Instant};

/// What an operation of a map takes, about, so that the run is as long as theirs.
const OPERATION: Duration = Duration::from_nanos(500);

pub(crate) struct Machine;

impl Machine {
    fn operate() {
        let begun = Instant::now();
        while begun.elapsed() < OPERATION {
            std::hint::spin_loop();
        }
    }
}

impl MapSubject for Machine {
    fn new() -> Self {
        Machine
    }

    fn get(&self, _: u64) -> Option<u64> {
        Self::operate();
        None
    }

    fn put(&self, _: u64, _: Value) {
        Self::operate();
    }

    fn remove(&self, _: u64) -> bool {
        Self::operate();
        false
    }
}

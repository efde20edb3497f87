//! The ThreadSanitizer build can fail: two threads write one cell without order, in a process of their own, and the report says so. Ordered by the
//! fences of this crate, which the sanitizer would not understand as such, they pass.
#![cfg(stillpoint_tsan)]

use std::process::{Command, Output};
use std::thread;
use stillpoint_primitive::fence::Fences;
use stillpoint_primitive::sync::atomic::{AtomicBool, Ordering};

struct Cell(std::cell::UnsafeCell<u64>);
// SAFETY: that it is not is what is planted.
unsafe impl Sync for Cell {}

impl Cell {
    fn write(&self, value: u64) {
        // SAFETY: ordered by the fences, or the planted race.
        unsafe { *self.0.get() = value };
    }
}

const INNER: &str = "STILLPOINT_PLANTED";

fn again(test: &str) -> Output {
    let mut inner = Command::new(std::env::current_exe().unwrap());
    inner.args([test, "--exact", "--nocapture"]).env(INNER, "1").output().unwrap()
}

/// Writes the cell, sets the flag; the other thread waits for the flag and writes the cell.
fn write_twice(fence: fn()) {
    let (cell, both, flag) = (Cell(0.into()), AtomicBool::new(false), AtomicBool::new(false));
    let (cell, both, flag) = (&cell, &both, &flag);
    thread::scope(|scope| {
        scope.spawn(move || {
            // The sanitizer may forget a thread that has ended.
            while !both.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            cell.write(1);
            fence();
            flag.store(true, Ordering::Relaxed);
        });
        scope.spawn(move || {
            both.store(true, Ordering::Relaxed);
            while !flag.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            fence();
            cell.write(2);
        });
    });
}

#[test]
fn a_planted_race_is_reported() {
    if std::env::var_os(INNER).is_some() {
        return write_twice(|| {});
    }
    let output = again("a_planted_race_is_reported");
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && report.contains("data race"), "{report}");
}

#[test]
fn fences_are_understood() {
    if std::env::var_os(INNER).is_some() {
        return write_twice(|| Fences::detect().heavy());
    }
    let output = again("fences_are_understood");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

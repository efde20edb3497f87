//! What one thread pays: nanoseconds of its own CPU time an operation.

use super::Subject;
use super::scheme::{Payload, Plain, Scheme};
use crate::plan::Figure;
use std::hint::black_box;
use std::time::{Duration, Instant};
use stillpoint_testkit::thread_cpu;

/// Calls `batch`, which does `ops` operations, for so long.
fn time(millis: u64, ops: u64, mut batch: impl FnMut()) -> Vec<Figure> {
    batch();
    let until = Instant::now() + Duration::from_millis(millis);
    let before = thread_cpu();
    let mut batches = 0u64;
    while Instant::now() < until {
        batch();
        batches += 1;
    }
    let spent = (thread_cpu() - before).as_nanos() as f64;
    vec![Figure::new("ns_per_op", "ns", spent / (batches.max(1) * ops) as f64)]
}

fn leak<S: Scheme<Plain>>() -> &'static S {
    Box::leak(Box::new(S::new()))
}

pub(crate) fn pin_unpin<S: Subject>(millis: u64) -> Vec<Figure> {
    let scheme = leak::<S>();
    let mut local = Scheme::<Plain>::local(scheme);
    time(millis, 4096, || {
        for _ in 0..4096 {
            Scheme::<Plain>::enter_and_leave(scheme, black_box(&mut local));
        }
    })
}

pub(crate) fn pin_load_unpin<S: Subject>(millis: u64) -> Vec<Figure> {
    let scheme = leak::<S>();
    let slot = scheme.slot(Plain::new(1));
    let mut local = Scheme::<Plain>::local(scheme);
    time(millis, 4096, || {
        for _ in 0..4096 {
            let mut guard = Scheme::<Plain>::pin(scheme, &mut local);
            black_box(<S as Scheme<Plain>>::read(&mut guard, black_box(&slot)));
        }
    })
}

pub(crate) fn load_in_guard<S: Subject>(millis: u64) -> Vec<Figure> {
    let scheme = leak::<S>();
    let slots: Vec<_> = (0..16).map(|value| scheme.slot(Plain::new(value))).collect();
    let mut local = Scheme::<Plain>::local(scheme);
    time(millis, 4096, || {
        for _ in 0..4096 / 16 {
            let mut guard = Scheme::<Plain>::pin(scheme, &mut local);
            for slot in black_box(&slots) {
                black_box(<S as Scheme<Plain>>::read(&mut guard, slot));
            }
        }
    })
}

//! Several threads on one structure: operations a second by the wall clock, CPU time an operation by the process's.

use super::Subject;
use super::scheme::{Payload, Plain, Scheme};
use crate::crew::Crew;
use crate::plan::Figure;
use std::hint::black_box;
use stillpoint_testkit::Random;

const SLOTS: u64 = 16 << 10;
const BATCH: u64 = 64;

/// Lets each thread repeat the batch that `make(thread)` made it, for so long.
fn contend<F: FnMut()>(threads: u64, millis: u64, make: impl Fn(u64) -> F + Sync) -> Vec<Figure> {
    let Crew { results, wall, cpu } = Crew::work(threads, millis, |thread, gate| {
        let mut batch = make(thread);
        gate.start();
        let mut ops = 0u64;
        while gate.open() {
            batch();
            ops += BATCH;
        }
        ops
    });
    let ops = results.into_iter().sum::<u64>().max(1) as f64;
    vec![
        Figure::new("ops_per_s", "1/s", ops / wall.as_secs_f64()),
        Figure::new("cpu_ns_per_op", "ns", cpu.as_nanos() as f64 / ops),
    ]
}

pub(crate) fn stack<S: Subject>(threads: u64, millis: u64) -> Vec<Figure> {
    let stack: &'static S::Stack = Box::leak(Box::new(S::stack()));
    contend(threads, millis, |thread| {
        let mut local = S::stack_local();
        move || {
            for _ in 0..BATCH / 2 {
                S::push(stack, &mut local, thread);
                black_box(S::pop(stack, &mut local));
            }
        }
    })
}

struct Table<S: Scheme<Plain>> {
    scheme: &'static S,
    slots: Vec<S::Slot>,
}

fn table<S: Subject>() -> Table<S> {
    let scheme: &'static S = Box::leak(Box::new(<S as Scheme<Plain>>::new()));
    Table { scheme, slots: (0..SLOTS).map(|value| scheme.slot(Plain::new(value))).collect() }
}

pub(crate) fn slots<S: Subject>(threads: u64, millis: u64, reads: u64) -> Vec<Figure> {
    let table = &table::<S>();
    contend(threads, millis, |thread| {
        let mut random = Random::new(thread);
        let mut local = Scheme::<Plain>::local(table.scheme);
        move || {
            for _ in 0..BATCH {
                let slot = &table.slots[random.below(SLOTS) as usize];
                let mut guard = Scheme::<Plain>::pin(table.scheme, &mut local);
                if random.percent(reads) {
                    black_box(<S as Scheme<Plain>>::read(&mut guard, slot));
                } else {
                    S::replace(&mut guard, slot, Plain::new(thread));
                }
            }
        }
    })
}

pub(crate) fn scan<S: Subject>(threads: u64, millis: u64) -> Vec<Figure> {
    let table = &table::<S>();
    contend(threads, millis, |thread| {
        let mut random = Random::new(thread);
        let mut local = Scheme::<Plain>::local(table.scheme);
        move || {
            for _ in 0..BATCH {
                let first = random.below(SLOTS - 16) as usize;
                let mut guard = Scheme::<Plain>::pin(table.scheme, &mut local);
                if random.percent(95) {
                    for slot in &table.slots[first..first + 16] {
                        black_box(<S as Scheme<Plain>>::read(&mut guard, slot));
                    }
                } else {
                    S::replace(&mut guard, &table.slots[first], Plain::new(thread));
                }
            }
        }
    })
}

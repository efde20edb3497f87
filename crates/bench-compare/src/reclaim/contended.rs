//! Several threads on one structure.

use super::Subject;
use super::scheme::{Payload, Plain, Scheme};
use crate::crew::contend;
use crate::plan::Figure;
use std::hint::black_box;
use stillpoint_testkit::Random;

const SLOTS: u64 = 16 << 10;

pub(crate) fn stack<S: Subject>(threads: u64, millis: u64) -> Vec<Figure> {
    let stack: &'static S::Stack = Box::leak(Box::new(S::stack()));
    contend(threads, millis, |thread| {
        let (mut local, mut pushes) = (S::stack_local(), false);
        move || {
            pushes = !pushes;
            if pushes {
                S::push(stack, &mut local, thread);
            } else {
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
            let slot = &table.slots[random.below(SLOTS) as usize];
            let mut guard = Scheme::<Plain>::pin(table.scheme, &mut local);
            if random.percent(reads) {
                black_box(<S as Scheme<Plain>>::read(&mut guard, slot));
            } else {
                S::replace(&mut guard, slot, Plain::new(thread));
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
    })
}

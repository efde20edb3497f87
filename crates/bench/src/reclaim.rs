//! Pins, loads and retirements of the collector.

use crate::meter::Bench;
use std::hint::black_box;
use std::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, Collector, Owned};

pub(crate) const BENCHES: &[Bench] = &[
    Bench { name: "pin", workload: "pin and unpin, leased", make: pin },
    Bench { name: "pin_load", workload: "pin, one root load, unpin", make: pin_load },
    Bench { name: "replace", workload: "pin, allocate 16 B, swap, retire, unpin", make: replace },
];

fn pin() -> Box<dyn FnMut(u64)> {
    let collector = Collector::new();
    Box::new(move |ops| (0..ops).for_each(|_| drop(black_box(collector.pin()))))
}

fn pin_load() -> Box<dyn FnMut(u64)> {
    let collector = Collector::new();
    let slot = Atomic::new(Owned::new(&collector.pin(), 7u64));
    Box::new(move |ops| {
        for _ in 0..ops {
            let guard = collector.pin();
            let node = guard.protect(&slot).expect("nobody else moves the epoch");
            // SAFETY: protected just now, never replaced.
            black_box(unsafe { node.deref() });
        }
    })
}

fn replace() -> Box<dyn FnMut(u64)> {
    let collector = Collector::new();
    let slot = Atomic::new(Owned::new(&collector.pin(), [0u64; 2]));
    Box::new(move |ops| {
        for value in 0..ops {
            let guard = collector.pin();
            let old = slot.swap(Owned::new(&guard, [value; 2]), Ordering::AcqRel);
            // SAFETY: the swap unlinked it from its only place, for us alone.
            unsafe { old.retire(&guard) };
        }
    })
}

//! Pins, loads and retirements of the collector.

use crate::meter::Bench;
use std::hint::black_box;
use std::sync::atomic::Ordering;
use stillpoint_pool::Pool;
use stillpoint_reclaim::{Atomic, Collector, Heap, NodeAlloc, Owned};

pub(crate) const BENCHES: &[Bench] = &[
    Bench { name: "pin", workload: "pin and unpin, leased", make: pin },
    Bench { name: "pin_load", workload: "pin, one root load, unpin", make: pin_load },
    Bench { name: "replace", workload: "pin, allocate 16 B, swap, retire, unpin", make: replace },
    Bench { name: "replace_pool", workload: "as replace, nodes from the pool", make: replace_pool },
    Bench { name: "replace_16k", workload: "replace one of 16 K at random", make: scattered },
    Bench {
        name: "replace_16k_pool",
        workload: "as replace_16k, nodes from the pool",
        make: scattered_pool,
    },
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
    replacing(Heap, 1)
}

fn replace_pool() -> Box<dyn FnMut(u64)> {
    replacing(Pool::new(), 1)
}

fn scattered() -> Box<dyn FnMut(u64)> {
    replacing(Heap, 1 << 14)
}

fn scattered_pool() -> Box<dyn FnMut(u64)> {
    replacing(Pool::new(), 1 << 14)
}

/// Replaces nodes in `places` places (a power of two) one after the other in an order that jumps about.
fn replacing<A: NodeAlloc>(alloc: A, places: u64) -> Box<dyn FnMut(u64)> {
    let collector = Collector::new();
    let place = |_| Atomic::new(Owned::new_in(&collector.pin(), [0u64; 2], &alloc));
    let slots: Vec<_> = (0..places).map(place).collect();
    Box::new(move |ops| {
        for value in 0..ops {
            let guard = collector.pin();
            // Odd, so that each place comes once in so many.
            let slot = &slots[(value.wrapping_mul(0x9e37_79b9_7f4a_7c15) & (places - 1)) as usize];
            let new = Owned::new_in(&guard, [value; 2], &alloc);
            let old = slot.swap(new, Ordering::AcqRel);
            // SAFETY: the swap unlinked it from its only place, for us alone.
            unsafe { old.retire_in::<A, _>(&guard) };
        }
    })
}

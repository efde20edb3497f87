//! A writer of the hash map stopped before every single step that it takes (atomic access or fence) while the map grows under it: another finishes the
//! growth and frees all that nobody protects. The allocator keeps what is freed, and finds out who writes there.
//!
//! `RUSTFLAGS="--cfg stillpoint_steps" cargo test -p stillpoint-structures --test steps_map --target-dir target/steps`
#![cfg(stillpoint_steps)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use stillpoint_primitive::counted::disturbed;
use stillpoint_reclaim::hp::Hazard;
use stillpoint_reclaim::{Collector, Heap, Scheme};
use stillpoint_structures::HashMap;

/// Blocks kept in one run: more than a run frees.
const KEPT: usize = 1 << 14;
/// A table's bins, and the table itself, are larger.
const SMALLEST: usize = 256;

/// Keeps what is freed while it is told to, zeroed.
struct Keeping {
    keeps: AtomicBool,
    count: AtomicUsize,
    blocks: [[AtomicUsize; 3]; KEPT],
}

#[global_allocator]
static KEEPING: Keeping = Keeping {
    keeps: AtomicBool::new(false),
    count: AtomicUsize::new(0),
    blocks: [const { [const { AtomicUsize::new(0) }; 3] }; KEPT],
};

// SAFETY: the system's allocator does everything; some blocks it gets back later.
unsafe impl GlobalAlloc for Keeping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.size() >= SMALLEST && self.keeps.load(Ordering::Relaxed) {
            let at = self.count.fetch_add(1, Ordering::Relaxed);
            if let Some([address, size, align]) = self.blocks.get(at) {
                // SAFETY: the caller's block.
                unsafe { block.write_bytes(0, layout.size()) };
                size.store(layout.size(), Ordering::Relaxed);
                align.store(layout.align(), Ordering::Relaxed);
                address.store(block.expose_provenance(), Ordering::Release);
                return;
            }
        }
        // SAFETY: by contract.
        unsafe { System.dealloc(block, layout) }
    }
}

impl Keeping {
    /// Gives back what was kept. Whether all of it is as it was left. All other threads must have ended.
    fn end(&self) -> bool {
        self.keeps.store(false, Ordering::Relaxed);
        let kept = self.count.swap(0, Ordering::Relaxed);
        let mut untouched = true;
        for [address, size, align] in self.blocks.iter().take(kept) {
            let block =
                std::ptr::with_exposed_provenance_mut::<u8>(address.load(Ordering::Acquire));
            let (size, align) = (size.load(Ordering::Relaxed), align.load(Ordering::Relaxed));
            // SAFETY: a block of that size, kept by `dealloc`.
            let bytes = unsafe { std::slice::from_raw_parts(block, size) };
            untouched &= bytes.iter().all(|&byte| byte == 0);
            let layout = Layout::from_size_align(size, align).expect("it was one");
            // SAFETY: not given back yet.
            unsafe { System.dealloc(block, layout) };
        }
        assert!(kept < KEPT, "more freed than can be kept");
        untouched
    }
}

type Numbers<S> = HashMap<u64, u64, BuildHasherDefault<DefaultHasher>, S>;

/// Enough for a growth to end, and for the scans after it.
fn others_go_on<S: Scheme>(map: &Numbers<S>) {
    for key in 1_000..1_040 {
        map.set(key, key);
    }
    for key in 1_000..1_040 {
        map.unset(&key);
    }
}

/// Stops in a row: what protected a table may be gone at one, and the table then be freed at another.
const STOPS: usize = 4;

/// Whether the writer, with so many keys in the map, has a step of that number; others go on before it, and before the next ones.
fn disturbed_at<S: Scheme>(step: usize, keys: u64, scheme: S) -> bool {
    let map: Numbers<S> = HashMap::with_all(0, BuildHasherDefault::default(), scheme, Heap);
    for key in 0..keys {
        map.set(key, key);
    }
    let (ask, asked) = channel::<()>();
    let (tell, told) = channel();
    KEEPING.keeps.store(true, Ordering::Relaxed);
    let there = thread::scope(|scope| {
        let map = &map;
        let others = scope.spawn(move || {
            while asked.recv().is_ok() {
                others_go_on(map);
                tell.send(()).expect("the writer waits");
            }
        });
        let writing = scope.spawn(move || {
            let (mut steps, there) = (0, std::rc::Rc::new(std::cell::Cell::new(false)));
            let seen = there.clone();
            let stop = move || {
                if (step..step + STOPS).contains(&steps) {
                    seen.set(true);
                    ask.send(()).expect("the others are there");
                    told.recv().expect("the others answer");
                }
                steps += 1;
            };
            disturbed(stop, || map.set(keys, keys));
            there.get()
        });
        let there = writing.join().expect("the writer ends");
        // With its thread-locals, which free too.
        others.join().expect("the others end");
        there
    });
    assert!((0..=keys).all(|key| map.has(&key)));
    drop(map);
    assert!(KEEPING.end(), "{keys} keys, stopped from step {step} on: freed memory was written to");
    there
}

/// From the first growth to the end of the second, and on.
fn every_step<S: Scheme>(scheme: fn() -> S) {
    for keys in 28..72 {
        let mut step = 0;
        while disturbed_at(step, keys, scheme()) {
            step += 1;
        }
        assert!(step > 5, "a set takes some steps");
    }
}

/// One test, since the allocator is one.
#[test]
fn a_writer_that_is_overtaken_by_a_growth_touches_no_table_that_is_gone() {
    every_step(|| Hazard::with_threshold(1));
    every_step(Collector::new);
}

//! What it takes to free a table that the index has grown out of: whoever happens to sweep pays for it.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle, stillpoint_system_alloc)))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use stillpoint_pool::Pool;
use stillpoint_reclaim::Collector;
use stillpoint_structures::{NewValue, VersionIndex};

thread_local! {
    static FREED: Cell<usize> = const { Cell::new(0) };
}

/// Counts what each thread frees.
struct Counting;

// SAFETY: the system's allocator does everything.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        FREED.set(FREED.get() + 1);
        // SAFETY: by contract.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn freed_by(operation: impl FnOnce()) -> usize {
    let before = FREED.get();
    operation();
    FREED.get() - before
}

#[test]
fn no_operation_frees_the_lines_of_a_table_one_by_one() {
    let index: VersionIndex<(), ()> = VersionIndex::new(Collector::new(), Pool::new());
    let put = |key: u64| {
        let guard = index.collector().pin();
        let key = key.to_le_bytes();
        let hash = index.hash(&key);
        let head = index.find(&guard, hash, &key).unwrap();
        let new = index.new_version(&key, NewValue::Bytes(b"value"), 0, None).unwrap();
        index.install(&guard, hash, head.as_ref(), new).unwrap();
    };
    let most = (0..300_000).map(|key| freed_by(|| put(key))).max();
    let flushed = freed_by(|| index.collector().flush());
    let stats = index.stats();
    // The table before had half of these bins, and a line for every fourth of them when it was left.
    let lines = stats.bins / 8;
    assert!(lines > 5_000, "{stats:?}");
    assert!(most.max(Some(flushed)) < Some(lines / 10), "{most:?}, then {flushed}; {lines} lines");
}

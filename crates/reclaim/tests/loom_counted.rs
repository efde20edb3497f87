//! A counted reference taken under a guard, beside a replacement and a flush: every interleaving of the real code.
#![cfg(stillpoint_loom)]

use loom::thread;
use std::sync::Arc;
use stillpoint_primitive::sync::UnsafeCell;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, Collector, Countable, Counted, Heap, Owned};

/// Fails the model if it is used after, or beside, its drop: loom watches the cell.
struct Watched(UnsafeCell<u64>);

impl Watched {
    fn read(&self) -> u64 {
        // SAFETY: only the drop writes.
        self.0.with(|value| unsafe { *value })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // SAFETY: being dropped.
        self.0.with_mut(|value| unsafe { *value = u64::MAX });
    }
}

// SAFETY: read by many, written when nobody else has it.
unsafe impl Sync for Watched {}

#[test]
fn a_promoted_node_is_read_by_its_holder_and_dropped_by_the_last() {
    loom::model(|| {
        let collector = Collector::builder().batch_len(1).build();
        let first = Owned::new(&collector.pin(), Countable::new(Watched(UnsafeCell::new(1))));
        let cell = Arc::new(Atomic::new(first));
        let reader = {
            let (collector, cell) = (collector.clone(), cell.clone());
            thread::spawn(move || {
                let guard = collector.pin();
                let Ok(shared) = guard.protect(&cell) else { return };
                // SAFETY: protected just now, never null, retired by `retire_counted`.
                let counted: Counted<Watched> = unsafe { shared.promote() };
                drop(guard);
                assert!(counted.read() <= 2);
            })
        };
        let guard = collector.pin();
        let second = Owned::new(&guard, Countable::new(Watched(UnsafeCell::new(2))));
        let old = cell.swap(second, Ordering::AcqRel);
        // SAFETY: unlinked by the swap.
        unsafe { old.retire_counted::<Heap, _>(&guard) };
        drop(guard);
        collector.flush();
        reader.join().unwrap();
        let guard = collector.pin();
        // SAFETY: nobody else has the cell.
        unsafe { cell.take(Ordering::AcqRel).retire_counted::<Heap, _>(&guard) };
        drop(guard);
    });
}

//! Guards and nodes of another collector are found out.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, Collector, Epoch, Guard, Heap, Owned};

fn message(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    panic.downcast_ref::<String>().expect("with a text").clone()
}

fn move_on(guard: &Guard<'_>, ticks: u64) {
    let now = guard.birth().get();
    while guard.birth().get() < now + ticks {}
}

#[test]
fn a_guard_knows_its_collector() {
    let orders = Collector::builder().name("orders").build();
    let stock = Collector::builder().name("stock").build();
    let (guard, foreign) = (orders.pin(), stock.pin());
    assert!(guard.is_from(&orders) && guard.is_from(&orders.clone()));
    assert!(!foreign.is_from(&orders));
    guard.assert_from(&orders);
    let message = message(|| foreign.assert_from(&orders));
    assert!(message.contains("\"stock\"") && message.contains("\"orders\""), "{message}");
}

#[test]
#[cfg(debug_assertions)]
fn a_birth_of_another_collectors_clock_is_refused() {
    let old = Collector::builder().batch_len(1).lease_ticks(1 << 20).build();
    let new = Collector::new();
    let elder = old.pin();
    move_on(&elder, 100);
    let birth = elder.birth();
    let node = Box::into_raw(Box::new(5u64));
    // SAFETY: never published; the call refuses it.
    let text = message(|| unsafe { new.pin().retire_box(node, birth) });
    assert!(text.contains("another collector's"), "{text}");
    // SAFETY: ours again; zero is of every clock.
    unsafe { new.pin().retire_box(node, Epoch::ZERO) };

    let mut cell = Atomic::new(Owned::new(&elder, 7u64));
    let young = new.pin();
    let seen = cell.load_exclusive();
    // SAFETY: as above.
    let text = message(|| unsafe { seen.retire(&young) });
    assert!(text.contains("another collector's"), "{text}");
    // SAFETY: ours alone, refused above.
    drop(unsafe { cell.take_owned::<Heap>() });
    assert!(cell.swap(Owned::new(&young, 8), Ordering::AcqRel).is_null());
    // SAFETY: ours alone.
    drop(unsafe { cell.take_owned::<Heap>() });
}

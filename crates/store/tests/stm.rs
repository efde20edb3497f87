//! Variables: they change together, go with their last handle, and belong to one world. And the examples run.
#![cfg(not(stillpoint_loom))]

use std::thread;
use stillpoint_store::{At, Stm, Stop};

#[path = "../examples/bank.rs"]
mod bank;
#[path = "../examples/bounded_buffer.rs"]
mod bounded_buffer;
#[path = "../examples/dining_philosophers.rs"]
mod dining_philosophers;

#[test]
fn the_buffer_hands_over_every_item() {
    bounded_buffer::main();
}

#[test]
fn the_philosophers_eat() {
    dining_philosophers::main();
}

#[test]
fn the_banks_total_stays() {
    bank::main().unwrap();
}

#[test]
fn a_variable_goes_with_its_last_handle_and_not_before_a_write_of_it() {
    let stm = Stm::new();
    let var = stm.tvar(1);
    let other = var.clone();
    drop(var);
    assert_eq!(*other.load(), 1);
    drop(other);
    assert!(stm.store().is_empty(0));
    // Made and dropped inside: nothing stays behind.
    stm.atomically(|tx| {
        drop(tx.tvar(String::from("gone")));
        Ok::<_, Stop>(())
    })
    .unwrap();
    assert!(stm.store().is_empty(0));
    let made = stm.atomically(|tx| Ok::<_, Stop>(tx.tvar(2))).unwrap();
    assert_eq!((*made.load(), stm.store().len(0)), (2, 1));
}

#[test]
fn a_transaction_that_meets_a_newer_variable_begins_again() {
    let stm = Stm::new();
    let mut runs = 0;
    let mut newer = None;
    let seen = stm.atomically(|tx| {
        runs += 1;
        let newer = newer.get_or_insert_with(|| stm.tvar(7));
        Ok::<_, Stop>(*tx.get(newer)?)
    });
    assert_eq!((seen, runs), (Ok(7), 2));
}

#[test]
fn variables_and_keys_change_together() {
    let stm = Stm::new();
    let store = stillpoint_store::Store::new(stillpoint_store::Config::default());
    let beside = Stm::on(store.clone(), 1);
    let count = beside.tvar(0u64);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let done = beside.atomically(|tx| {
                        tx.modify(&count, |count| count + 1)?;
                        let count = tx.get(&count)?.to_string();
                        tx.transaction().set(0, b"count", 0, count.as_bytes(), None);
                        Ok::<_, Stop>(())
                    });
                    done.unwrap();
                }
            });
        }
    });
    assert_eq!(*count.load(), 1000);
    let at = At { space: 0, now_ms: 0 };
    assert!(store.get_with(at, b"count", |entry| entry.unwrap().bytes() == Some(b"1000")));
    let foreign = thread::scope(|scope| {
        let reads = || stm.atomically(|tx| Ok::<_, Stop>(*tx.get(&count)?)).unwrap();
        scope.spawn(reads).join()
    });
    assert!(foreign.is_err());
}

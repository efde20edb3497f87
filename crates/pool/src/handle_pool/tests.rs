//! Handles: stale ones, exhausted slots, many threads; under loom `get` against `remove` and a new `insert` in the same slot.

use super::*;

#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
mod plain {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_slot_whose_generations_have_run_out_is_left_alone() {
        let pool = HandlePool::new();
        let pinned = pool.pin();
        let first = pinned.insert(1).unwrap();
        pinned.remove(first).unwrap();
        pool.slot(first.index).generation.store(u32::MAX, Ordering::Relaxed);
        let last = pinned.insert(2).unwrap();
        assert_eq!((last.index, last.generation.get()), (first.index, u32::MAX));
        assert_eq!(pinned.remove(last), Some(&2));
        let next = pinned.insert(3).unwrap();
        assert_ne!(next.index, first.index);
        assert_eq!((pinned.get(first), pinned.get(last), pinned.get(next)), (None, None, Some(&3)));
    }

    #[test]
    fn handles_survive_as_numbers_and_foreign_ones_find_nothing() {
        let pool = HandlePool::new();
        let pinned = pool.pin();
        let handle = pinned.insert("x").unwrap();
        assert_eq!(Handle::from_bits(handle.to_bits()), Some(handle));
        assert_eq!(Handle::from_bits(5), None);
        for bits in [1 << 32 | 7, 1 << 32 | 70_000, u64::MAX, 2 << 32] {
            assert_eq!(pinned.get(Handle::from_bits(bits).unwrap()), None, "{bits:x}");
        }
    }

    struct Counted(u64, Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says that it is gone, and fails.
    struct Bad(Counted);
    impl Drop for Bad {
        fn drop(&mut self) {
            if self.0.0 == 0 {
                panic!("a destructor's own fault");
            }
        }
    }

    #[test]
    fn a_destructor_that_panics_does_not_keep_the_others_from_running() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let pool = HandlePool::new();
        for number in 0..3 {
            let inserted = pool.pin().insert(Bad(Counted(number, dropped.clone())));
            assert!(inserted.is_ok());
        }
        let end = std::panic::AssertUnwindSafe(|| drop(pool));
        assert!(std::panic::catch_unwind(end).is_err());
        assert_eq!(dropped.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_handle_names_its_value_or_nothing_while_others_remove_and_insert() {
        const EACH: u64 = 20_000;
        let (pool, dropped) = (HandlePool::new(), Arc::new(AtomicUsize::new(0)));
        // Where threads show each other their handles, with the value that each must name.
        let shown: Vec<_> = (0..8).map(|_| std::sync::Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let (pool, shown, dropped) = (&pool, &shown, &dropped);
                scope.spawn(move || {
                    let mut random = thread + 1;
                    for step in 0..EACH {
                        random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
                        let place = &shown[(random >> 40) as usize % shown.len()];
                        let pinned = pool.pin();
                        let value = thread << 32 | step;
                        let new = pinned.insert(Counted(value, dropped.clone())).ok().unwrap();
                        let old = place.lock().unwrap().replace((new, value));
                        let held = pinned.get(new);
                        let Some((old, expected)) = old else { continue };
                        if let Some(found) = pinned.get(old) {
                            assert_eq!(found.0, expected, "a stale handle found another value");
                        }
                        let removed = pinned.remove(old).expect("only its taker removes it");
                        assert_eq!(removed.0, expected);
                        assert!(pinned.get(old).is_none() && pinned.remove(old).is_none());
                        // Protected since before, whether or not it has been removed meanwhile.
                        assert!(held.is_none_or(|held| held.0 == value));
                    }
                });
            }
        });
        assert_eq!(
            pool.len(),
            shown.iter().filter(|place| place.lock().unwrap().is_some()).count()
        );
        let memory = pool.memory.clone();
        drop(pool);
        assert_eq!(dropped.load(Ordering::Relaxed) as u64, 4 * EACH);
        assert_eq!(memory.stats().blocks, 0);
    }
}

#[cfg(stillpoint_loom)]
mod model {
    use super::*;
    use loom::sync::Arc;
    use std::process::Command;

    /// One thread looks a handle up while another removes it and inserts into the same slot.
    fn play(mutation: Mutation) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.max_branches = 100_000;
        model.check(move || {
            loom::stop_exploring();
            let collector = Collector::builder().lease_ticks(1).batch_len(1).build();
            let pool = Arc::new(HandlePool::with_parts(Pool::new(), collector, mutation));
            let old = pool.pin().insert(1).ok().unwrap();
            loom::explore();
            let other = pool.clone();
            let reader = loom::thread::spawn(move || {
                let pinned = other.pin();
                let found = pinned.get(old).copied();
                assert!(found.is_none() || found == Some(1), "a stale handle found another value");
            });
            let pinned = pool.pin();
            assert_eq!(pinned.remove(old), Some(&1));
            let new = pinned.insert(2).ok().unwrap();
            assert_eq!(new.index, old.index, "the slot is used again");
            assert_eq!(pinned.get(new), Some(&2));
            loom::stop_exploring();
            drop(pinned);
            reader.join().unwrap();
            drop(pool);
            loom::explore();
        });
    }

    #[test]
    fn a_stale_handle_finds_its_own_value_or_nothing() {
        play(Mutation::None);
    }

    #[test]
    fn without_the_next_generation_a_stale_handle_finds_another_value() {
        const INNER: &str = "STILLPOINT_MUST_FAIL";
        if std::env::var_os(INNER).is_some() {
            return play(Mutation::NoBump);
        }
        let name = "handle_pool::tests::model::without_the_next_generation_a_stale_handle_finds_another_value";
        let mut inner = Command::new(std::env::current_exe().unwrap());
        let output = inner.args([name, "--exact", "--nocapture"]).env(INNER, "1").output().unwrap();
        assert!(!output.status.success(), "the model does not notice what has been taken out");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("found another value"), "it fails for another reason: {said}");
    }
}

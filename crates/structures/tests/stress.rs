//! Many threads on one index: growth under load, churn on few keys, pruners against readers, leases of no length, no leaks.
#![cfg(not(stillpoint_loom))]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use stillpoint_pool::Pool;
use stillpoint_reclaim::Collector;
use stillpoint_structures::{Batch, Head, NewValue, RefusedReason, Stamp, ValueRef, VersionIndex};

/// Counts the objects that are alive.
struct Counted(u64, Arc<AtomicI64>);

impl Counted {
    fn new(value: u64, live: &Arc<AtomicI64>) -> Arc<Self> {
        live.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self(value, live.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

type Index = VersionIndex<Counted, AtomicU64>;

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Steps scaled by the environment, for the long runs.
fn steps(normal: u64) -> u64 {
    let factor: u64 =
        std::env::var("STILLPOINT_STRESS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    // Under a sanitizer, with the system's allocator, each step takes many times as long.
    let share = if cfg!(stillpoint_system_alloc) { 8 } else { 1 };
    normal * factor / share
}

/// Without a longest lease, as the store has them: a preempted thread would be told `Expired`.
fn collectors() -> [Collector; 2] {
    let uncapped = || Collector::builder().max_lease_ticks(None);
    [uncapped().build(), uncapped().lease_ticks(0).batch_len(8).build()]
}

fn number(head: &Head<'_, Counted, AtomicU64>) -> u64 {
    match head.version().value() {
        ValueRef::Bytes(bytes) => u64::from_le_bytes(bytes.try_into().expect("eight bytes")),
        ValueRef::Object(object) => object.0,
        ValueRef::Tombstone => panic!("no tombstones here"),
    }
}

/// Puts `value`, as bytes or as an object; true if the key was new.
fn put(index: &Index, key: &[u8], value: u64, live: &Arc<AtomicI64>) -> bool {
    let hash = index.hash(key);
    let guard = index.collector().pin();
    let new_value = |value: u64| {
        if value.is_multiple_of(3) {
            Ok(Counted::new(value, live))
        } else {
            Err(value.to_le_bytes())
        }
    };
    let mut new = match new_value(value) {
        Ok(object) => index.new_version(key, NewValue::Object(object), 0, None).unwrap(),
        Err(bytes) => index.new_version(key, NewValue::Bytes(&bytes), 0, None).unwrap(),
    };
    loop {
        let head = index.find(&guard, hash, key).unwrap();
        match index.install(&guard, hash, head.as_ref(), new) {
            Ok(version) => {
                index.prune(version, |_| false);
                return head.is_none();
            }
            Err(refused) => {
                assert_eq!(refused.reason, RefusedReason::Raced);
                new = refused.version;
            }
        }
    }
}

/// What is fetched ahead is looked at, to know how long it is: while others replace it, remove it and move it to a larger table.
#[test]
fn what_is_fetched_ahead_may_go_at_any_time() {
    for collector in collectors() {
        let live = Arc::new(AtomicI64::new(0));
        let index = Index::new(collector.clone(), Pool::new());
        let keys = steps(60_000);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let (index, live, done) = (&index, &live, &done);
            scope.spawn(move || {
                for n in 0..keys {
                    // New keys, so that it grows, and every other time one of eight that all look at.
                    put(index, &n.to_le_bytes(), n, live);
                    put(index, &(n % 8).to_le_bytes(), n, live);
                    if n % 5 == 0 {
                        let key = (n / 2).to_le_bytes();
                        let (hash, guard) = (index.hash(&key), index.collector().pin());
                        if let Some(head) = index.find(&guard, hash, &key).unwrap() {
                            index.remove(&head).unwrap();
                        }
                    }
                }
                done.store(true, Ordering::Release);
            });
            scope.spawn(move || {
                let mut rng = Rng(7);
                while !done.load(Ordering::Acquire) {
                    let guard = index.collector().pin();
                    for _ in 0..16 {
                        let most = if rng.next().is_multiple_of(2) { 8 } else { keys };
                        let hash = index.hash(&(rng.next() % most).to_le_bytes());
                        index.prefetch(&guard, hash);
                        index.prefetch_version(&guard, hash, true);
                        index.prefetch_births(&guard, hash);
                        index.prefetch_rest(&guard, hash);
                    }
                }
            });
        });
        drop(index);
        collector.flush();
        assert_eq!(live.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn growth_under_load_loses_no_key_and_no_update() {
    for collector in collectors() {
        let live = Arc::new(AtomicI64::new(0));
        let pool = Pool::new();
        let index = Index::new(collector.clone(), pool.clone());
        let count = steps(60_000);
        let done = AtomicU64::new(0);
        let published: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
        thread::scope(|scope| {
            for writer in 0..2u64 {
                let (index, live, published, done) = (&index, &live, &published, &done);
                scope.spawn(move || {
                    for round in 1..4u64 {
                        for n in (writer..count).step_by(2) {
                            assert_eq!(put(index, &n.to_le_bytes(), round, live), round == 1);
                            published[n as usize].store(round, Ordering::Release);
                        }
                    }
                    done.fetch_add(1, Ordering::Release);
                });
            }
            for reader in 0..2u64 {
                let (index, published, done) = (&index, &published, &done);
                scope.spawn(move || {
                    let mut rng = Rng(reader * 999 + 1);
                    while done.load(Ordering::Acquire) < 2 {
                        let n = rng.next() % count;
                        let key = n.to_le_bytes();
                        let before = published[n as usize].load(Ordering::Acquire);
                        let guard = index.collector().pin();
                        let found = index.find(&guard, index.hash(&key), &key).unwrap();
                        let found = found.map_or(0, |head| number(&head));
                        assert!(found >= before, "key {n}: {found} after {before} was written");
                    }
                });
            }
        });
        for n in 0..count {
            let guard = index.collector().pin();
            let key = n.to_le_bytes();
            assert_eq!(
                index.find(&guard, index.hash(&key), &key).unwrap().map(|head| number(&head)),
                Some(3)
            );
        }
        drop(index);
        drop(collector);
        assert_eq!(live.load(Ordering::Relaxed), 0, "every object was dropped");
    }
}

#[test]
fn counters_of_few_keys_lose_no_increment_while_the_index_grows() {
    for collector in collectors() {
        let live = Arc::new(AtomicI64::new(0));
        let pool = Pool::new();
        let index = Index::new(collector.clone(), pool.clone());
        let (threads, keys, rounds) = (4u64, 8u64, steps(6_000));
        thread::scope(|scope| {
            for thread in 0..threads {
                let (index, live) = (&index, &live);
                scope.spawn(move || {
                    let mut rng = Rng(thread + 77);
                    for round in 0..rounds {
                        let key = (round % keys).to_le_bytes();
                        let hash = index.hash(&key);
                        loop {
                            let guard = index.collector().pin();
                            let head = index.find(&guard, hash, &key).unwrap();
                            let next = head.map_or(0, |head| number(&head)) + 1;
                            let new = index.new_version(
                                &key,
                                NewValue::Object(Counted::new(next, live)),
                                0,
                                None,
                            );
                            if let Ok(version) =
                                index.install(&guard, hash, head.as_ref(), new.unwrap())
                            {
                                index.prune(version, |_| rng.next().is_multiple_of(4));
                                break;
                            }
                        }
                        // Other keys make it grow all the while.
                        put(index, &(1000 + round * threads + thread).to_le_bytes(), 1, live);
                    }
                });
            }
        });
        let mut sum = 0;
        for key in 0..keys {
            let guard = index.collector().pin();
            let key = key.to_le_bytes();
            sum +=
                index.find(&guard, index.hash(&key), &key).unwrap().map_or(0, |head| number(&head));
        }
        assert_eq!(sum, threads * rounds);
        drop((index, collector));
        assert_eq!(live.load(Ordering::Relaxed), 0, "every object was dropped");
    }
}

/// Inserts and removals of few keys: each success is witnessed, so the count of inserts less that of removals is what is there in the end, and
/// an insert reported as new is never refused as present without somebody's insert before.
#[test]
fn insert_and_remove_churn_on_few_keys_balances() {
    for collector in collectors() {
        let live = Arc::new(AtomicI64::new(0));
        let pool = Pool::new();
        let index = Index::new(collector.clone(), pool.clone());
        let keys = 5u64;
        let balance: Vec<AtomicI64> = (0..keys).map(|_| AtomicI64::new(0)).collect();
        thread::scope(|scope| {
            for thread in 0..4u64 {
                let (index, live, balance) = (&index, &live, &balance);
                scope.spawn(move || {
                    let mut rng = Rng(thread * 31 + 5);
                    for step in 0..steps(30_000) {
                        let n = rng.next() % keys;
                        let key = n.to_le_bytes();
                        let hash = index.hash(&key);
                        let guard = index.collector().pin();
                        if rng.next().is_multiple_of(2) {
                            let value = NewValue::Object(Counted::new(step, live));
                            let new = index.new_version(&key, value, 0, None).unwrap();
                            if index.install(&guard, hash, None, new).is_ok() {
                                balance[n as usize].fetch_add(1, Ordering::Relaxed);
                            }
                        } else if let Some(head) = index.find(&guard, hash, &key).unwrap() {
                            assert_eq!(head.version().key(), key);
                            if index.remove(&head).unwrap().is_some() {
                                balance[n as usize].fetch_sub(1, Ordering::Relaxed);
                            }
                        }
                        if step % 64 == 0 {
                            drop(guard);
                            put(index, &(1000 + step * 4 + thread).to_le_bytes(), 1, live);
                        }
                    }
                });
            }
        });
        for (n, balance) in balance.iter().enumerate() {
            let guard = index.collector().pin();
            let key = (n as u64).to_le_bytes();
            let there = i64::from(index.find(&guard, index.hash(&key), &key).unwrap().is_some());
            assert_eq!(there, balance.load(Ordering::Relaxed), "key {n}");
        }
        drop((index, collector));
        assert_eq!(live.load(Ordering::Relaxed), 0, "every object was dropped");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one play with several roles")]
fn readers_walk_chains_that_are_pruned_and_removed_under_them() {
    for collector in collectors() {
        let live = Arc::new(AtomicI64::new(0));
        let pool = Pool::new();
        let index = Index::new(collector.clone(), pool.clone());
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let writers: Vec<_> = (0..3u64)
                .map(|thread| {
                    let (index, live) = (&index, &live);
                    scope.spawn(move || {
                        let mut rng = Rng(thread * 7 + 3);
                        for step in 0..steps(20_000) {
                            let key = (rng.next() % 3).to_le_bytes();
                            let hash = index.hash(&key);
                            let guard = index.collector().pin();
                            let head = index.find(&guard, hash, &key).unwrap();
                            let stamp =
                                head.map_or(2, |head| match head.version().stamp().unwrap() {
                                    Stamp::Plain(stamp) => stamp + 1,
                                    _ => 3,
                                });
                            match (rng.next() % 16, head) {
                                (0, Some(head)) => assert!(index.remove(&head).is_ok()),
                                (1..6, Some(head)) => {
                                    index.prune(head.version(), |_| rng.next().is_multiple_of(2));
                                }
                                _ => {
                                    let value = NewValue::Object(Counted::new(step, live));
                                    let new = index.new_version(&key, value, 0, None).unwrap();
                                    if let Ok(version) =
                                        index.install(&guard, hash, head.as_ref(), new)
                                    {
                                        let _ = version.try_stamp(stamp);
                                    }
                                }
                            }
                        }
                    })
                })
                .collect();
            for thread in 0..2u64 {
                let (index, stop) = (&index, &stop);
                scope.spawn(move || {
                    let mut rng = Rng(thread + 11);
                    while !stop.load(Ordering::Relaxed) {
                        let key = (rng.next() % 3).to_le_bytes();
                        let guard = index.collector().pin();
                        let mut at = index.find(&guard, index.hash(&key), &key).unwrap().map(|head| head.version());
                        while let Some(version) = at {
                            assert_eq!(version.key(), key);
                            assert!(matches!(version.value(), ValueRef::Object(object) if object.0 < 1 << 40));
                            at = version.older();
                        }
                    }
                });
            }
            for writer in writers {
                writer.join().expect("no writer fails");
            }
            stop.store(true, Ordering::Relaxed);
        });
        drop((index, collector));
        assert_eq!(live.load(Ordering::Relaxed), 0, "every object was dropped");
    }
}

/// A descriptor that can be told from one that is gone: the pool writes nothing into a block that it takes back.
struct Fed(AtomicU64);

impl Drop for Fed {
    fn drop(&mut self) {
        self.0.store(0xdead, Ordering::Relaxed);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one play with several roles")]
fn pending_stamps_lead_to_live_descriptors_only() {
    for collector in collectors() {
        let live = Arc::new(AtomicI64::new(0));
        let pool = Pool::new();
        let index = VersionIndex::<Counted, Fed>::new(collector.clone(), pool.clone());
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let writers: Vec<_> = (0..2u64)
                .map(|thread| {
                    let (index, live) = (&index, &live);
                    scope.spawn(move || {
                        let mut rng = Rng(thread * 7 + 3);
                        for step in 0..steps(8_000) {
                            let guard = index.collector().pin();
                            let mut batch =
                                Batch::new(&guard, index.pool(), Fed(AtomicU64::new(0xfeed)));
                            for key in 0..4u64 {
                                let key = key.to_le_bytes();
                                let hash = index.hash(&key);
                                let head = index.find(&guard, hash, &key).unwrap();
                                let value = NewValue::Object(Counted::new(step, live));
                                let new = index.new_version(&key, value, 0, None).unwrap();
                                if let Ok(version) = batch.install(index, hash, head.as_ref(), new)
                                {
                                    index.prune(version, |_| rng.next().is_multiple_of(3));
                                }
                            }
                            if step % 3 == 0 { drop(batch) } else { batch.finish(Some(step + 2)) }
                        }
                    })
                })
                .collect();
            for _ in 0..2 {
                let (index, stop) = (&index, &stop);
                scope.spawn(move || {
                    let mut key = 0u64;
                    while !stop.load(Ordering::Relaxed) {
                        key = (key + 1) % 4;
                        let key = key.to_le_bytes();
                        let guard = index.collector().pin();
                        let mut at = index
                            .find(&guard, index.hash(&key), &key)
                            .unwrap()
                            .map(|head| head.version());
                        while let Some(version) = at {
                            match version.stamp().unwrap() {
                                Stamp::Pending(descriptor) => {
                                    assert_eq!(descriptor.0.load(Ordering::Relaxed), 0xfeed);
                                }
                                Stamp::Unset => panic!("a batch leaves nothing unset"),
                                _ => {}
                            }
                            at = version.older();
                        }
                    }
                });
            }
            for writer in writers {
                writer.join().expect("no writer fails");
            }
            stop.store(true, Ordering::Relaxed);
        });
        drop((index, collector));
        assert_eq!(live.load(Ordering::Relaxed), 0, "every object was dropped");
    }
}

#[test]
fn a_scan_meets_every_key_that_stays_while_others_come() {
    for collector in collectors() {
        let live = Arc::new(AtomicI64::new(0));
        let pool = Pool::new();
        let index = Index::new(collector.clone(), pool.clone());
        let stay = 500u64;
        for n in 0..stay {
            put(&index, &n.to_le_bytes(), 1, &live);
        }
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let (index, live, stop) = (&index, &live, &stop);
            scope.spawn(move || {
                for n in 0..steps(60_000) {
                    put(index, &(stay + n).to_le_bytes(), 1, live);
                    if n % 3 == 0 {
                        put(index, &(n % stay).to_le_bytes(), 2, live);
                    }
                }
                stop.store(true, Ordering::Relaxed);
            });
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let mut seen = vec![false; stay as usize];
                    let mut cursor = 0;
                    loop {
                        let guard = index.collector().pin();
                        let visit = |head: Head<'_, Counted, AtomicU64>| {
                            let n = u64::from_le_bytes(head.version().key().try_into().unwrap());
                            if n < stay {
                                seen[n as usize] = true;
                            }
                        };
                        cursor = index.scan(&guard, cursor, visit).unwrap();
                        if cursor == 0 {
                            break;
                        }
                    }
                    assert_eq!(
                        seen.iter().position(|seen| !seen),
                        None,
                        "a key that was there all along"
                    );
                }
            });
        });
        drop((index, collector));
        assert_eq!(live.load(Ordering::Relaxed), 0, "every object was dropped");
    }
}

//! Loading what is absent: once for all who ask, and never over a newer write.
#![cfg(not(stillpoint_loom))]

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use stillpoint_store::{
    At, Config, Db, Eviction, EvictionPolicy, LoadError, LoadOptions, Loaded, Step, Stop, Store,
    Transaction, TransactionOptions,
};
use stillpoint_testkit::Random;

const AT: At = At { space: 0, now_ms: 1_000 };
const KEEP: Duration = Duration::from_millis(100);

fn store() -> Store {
    Store::new(Config::default())
}

fn plain() -> LoadOptions {
    LoadOptions::default()
}

/// Loads these bytes.
fn bytes(bytes: &[u8]) -> Result<Option<Loaded>, Infallible> {
    Ok(Some(Loaded::bytes(bytes)))
}

fn load(store: &Store, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let entry = store.get_or_load(AT, key, plain(), || bytes(value)).unwrap();
    entry.map(|entry| entry.bytes().unwrap().to_vec())
}

fn get(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
    store.get_with(AT, key, |entry| entry.map(|entry| entry.bytes().unwrap().to_vec()))
}

/// Runs a load that stops in its loader, `meanwhile` beside it, and then the load to its end.
fn loading<R>(store: &Store, key: &[u8], value: &[u8], meanwhile: impl FnOnce() -> R) -> R {
    let (begun, has_begun) = channel();
    let (go_on, may_go_on): (Sender<()>, Receiver<()>) = channel();
    thread::scope(|scope| {
        let go_on = go_on;
        let leader = scope.spawn(move || {
            let loader = || {
                begun.send(()).unwrap();
                // An error: the test has failed, and its end waits for this thread.
                let _ = may_go_on.recv();
                bytes(value)
            };
            store.get_or_load(AT, key, plain(), loader).unwrap().unwrap().bytes().unwrap().to_vec()
        });
        has_begun.recv().unwrap();
        let result = meanwhile();
        go_on.send(()).unwrap();
        assert_eq!(leader.join().unwrap(), value, "who loads gets what it loaded");
        result
    })
}

#[test]
fn of_many_callers_one_loads_and_all_get_its_value() {
    let (store, barrier, loads) = (store(), Barrier::new(16), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for round in 0..20u64 {
                    barrier.wait();
                    let loader = || {
                        thread::sleep(Duration::from_millis(2));
                        bytes(&loads.fetch_add(1, Ordering::Relaxed).to_le_bytes())
                    };
                    let entry = store.get_or_load(AT, &round.to_le_bytes(), plain(), loader);
                    assert_eq!(entry.unwrap().unwrap().bytes().unwrap(), round.to_le_bytes());
                    // The next round's number is this round's count.
                    barrier.wait();
                }
            });
        }
    });
    assert_eq!((store.stats().loads, store.stats().failed_loads), (20, 0));
}

#[test]
fn all_who_wait_get_the_error_and_the_next_call_loads_again() {
    let (store, loads, begun) = (store(), AtomicU64::new(0), Barrier::new(8));
    thread::scope(|scope| {
        for number in 0..8 {
            let (store, loads, begun) = (&store, &loads, &begun);
            scope.spawn(move || {
                let loader = || {
                    if loads.fetch_add(1, Ordering::Relaxed) == 0 {
                        begun.wait();
                        // Long enough for all others to come, however busy the machine.
                        thread::sleep(10 * KEEP);
                    }
                    Err("no network")
                };
                if number > 0 {
                    begun.wait();
                }
                let result = store.get_or_load(AT, b"key", plain(), loader);
                assert_eq!(result.unwrap_err().to_string(), "no network");
            });
        }
    });
    assert_eq!((loads.into_inner(), store.stats().failed_loads), (1, 1));
    assert_eq!(load(&store, b"key", b"value").unwrap(), b"value");
}

#[test]
fn an_error_of_another_type_is_not_taken_and_the_others_try() {
    let store = store();
    let (begun, has_begun) = channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let loader = || {
                begun.send(()).unwrap();
                thread::sleep(KEEP);
                Err(17u64)
            };
            assert!(matches!(
                store.get_or_load(AT, b"key", plain(), loader),
                Err(LoadError::Failed(error)) if *error == 17
            ));
        });
        has_begun.recv().unwrap();
        assert_eq!(load(&store, b"key", b"mine").unwrap(), b"mine");
    });
}

#[test]
fn after_a_panic_one_of_the_others_loads() {
    let store = store();
    let (begun, has_begun) = channel();
    let loads = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let panics = catch_unwind(AssertUnwindSafe(|| {
                store.get_or_load(AT, b"key", plain(), || -> Result<_, Infallible> {
                    begun.send(()).unwrap();
                    thread::sleep(KEEP);
                    panic!("on purpose")
                })
            }));
            assert!(panics.is_err());
        });
        has_begun.recv().unwrap();
        for _ in 0..8 {
            scope.spawn(|| {
                let loader = || {
                    loads.fetch_add(1, Ordering::Relaxed);
                    bytes(b"value")
                };
                let entry = store.get_or_load(AT, b"key", plain(), loader).unwrap().unwrap();
                assert_eq!(entry.bytes(), Some(&b"value"[..]));
            });
        }
    });
    assert_eq!(loads.into_inner(), 1);
    assert_eq!(store.stats().snapshots, 0);
}

#[test]
fn a_write_while_the_loader_runs_wins() {
    type Overtake = (&'static str, fn(&Store));
    let overtakes: [Overtake; 7] = [
        ("set", |store| store.set(AT, b"key", 0, b"set", None).unwrap()),
        ("removed while absent", |store| assert!(!store.remove(AT, b"key").unwrap())),
        ("set and removed", |store| {
            store.set(AT, b"key", 0, b"set", None).unwrap();
            assert!(store.remove(AT, b"key").unwrap());
            while store.collect(100) > 0 {}
        }),
        ("removed by a transaction", |store| {
            let mut transaction = store.begin(AT.now_ms);
            transaction.remove(0, b"key");
            transaction.commit().unwrap();
        }),
        ("removed with another", |store| {
            let mut transaction = store.begin(AT.now_ms);
            transaction.remove(0, b"key");
            transaction.set(0, b"other", 0, b"", None);
            transaction.commit().unwrap();
        }),
        ("cleared", |store| store.clear(AT).unwrap()),
        ("set, and expired", |store| {
            store.set(AT, b"key", 0, b"set", Some(1_001)).unwrap();
            store.expire_due(2_000, 10);
        }),
    ];
    for (what, overtake) in overtakes {
        let store = store();
        loading(&store, b"key", b"old", || {
            overtake(&store);
            while store.collect(100) > 0 {}
        });
        let expected = (what == "set").then(|| b"set".to_vec());
        assert_eq!(get(&store, b"key"), expected, "{what}");
        while store.collect(100) > 0 {}
        assert_eq!(store.stats().old_versions, 0, "{what}");
    }
}

#[test]
fn who_waits_for_a_load_that_was_overtaken_looks_anew() {
    for is_set in [true, false] {
        let store = store();
        thread::scope(|scope| {
            let waiter = loading(&store, b"key", b"old", || {
                let waiter = scope.spawn(|| load(&store, b"key", b"new").unwrap());
                thread::sleep(KEEP);
                match is_set {
                    true => store.set(AT, b"key", 0, b"set", None).unwrap(),
                    false => drop(store.remove(AT, b"key").unwrap()),
                }
                waiter
            });
            let expected = if is_set { &b"set"[..] } else { b"new" };
            assert_eq!(waiter.join().unwrap(), expected);
        });
        assert_eq!(store.stats().loads, if is_set { 1 } else { 2 });
    }
}

thread_local! {
    static STOPS: Cell<bool> = const { Cell::new(false) };
}

/// The leader stops between its commit and its telling the others. Somebody removes the key; a call that begins then must not get what was removed.
#[test]
fn who_calls_after_a_removal_does_not_get_what_was_loaded_before() {
    let store = store();
    let (stopped, is_stopped) = channel();
    let (go_on, may_go_on) = channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    store.on_step(move |step| {
        if STOPS.get() && step == Step::Stamped {
            stopped.send(()).unwrap();
            let _ = may_go_on.lock().unwrap().recv();
        }
    });
    thread::scope(|scope| {
        let go_on = go_on;
        let leader = scope.spawn(|| {
            STOPS.set(true);
            load(&store, b"key", b"old")
        });
        is_stopped.recv().unwrap();
        assert_eq!(get(&store, b"key").unwrap(), b"old");
        assert!(store.remove(AT, b"key").unwrap());
        let late = scope.spawn(|| load(&store, b"key", b"new"));
        thread::sleep(KEEP);
        go_on.send(()).unwrap();
        assert_eq!(leader.join().unwrap().unwrap(), b"old");
        assert_eq!(late.join().unwrap().unwrap(), b"new");
    });
}

#[test]
fn a_loader_that_waits_for_itself_is_told() {
    let store = store();
    let result = store.get_or_load(AT, b"key", plain(), || {
        let inner = store.get_or_load(AT, b"key", plain(), || bytes(b""));
        inner.map_err(|error| error.to_string()).map(|_| None)
    });
    assert_eq!(result.unwrap_err().to_string(), "the loader of key \"key\" waits for itself");
    // Other keys it may load.
    let result = store.get_or_load(AT, b"key", plain(), || {
        store.get_or_load(AT, b"other", plain(), || bytes(b"o")).map(|_| Some(Loaded::bytes(b"k")))
    });
    assert_eq!(result.unwrap().unwrap().bytes(), Some(&b"k"[..]));
}

#[test]
fn loaders_that_wait_for_each_other_are_told() {
    let (store, barrier) = (store(), Barrier::new(3));
    let told: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..3u8)
            .map(|number| {
                let (store, barrier) = (&store, &barrier);
                scope.spawn(move || {
                    let loader = || {
                        barrier.wait();
                        let next = [(number + 1) % 3];
                        let load = || bytes(b"next");
                        match store.get_or_load(AT, &next, plain(), load) {
                            Err(LoadError::Circular { .. }) => Err("circular"),
                            _ => Ok(Some(Loaded::bytes(b"own"))),
                        }
                    };
                    store.get_or_load(AT, &[number], plain(), loader).is_err()
                })
            })
            .collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(told, 1, "whoever closes the circle is told, the others get on");
}

#[test]
fn what_is_loaded_expires_and_absence_is_not_kept() {
    let store = store();
    let options = plain().time_to_live(Duration::from_secs(10));
    let expiry = |at: At| {
        let entry = store.get_or_load(at, b"key", options, || bytes(b"v")).unwrap().unwrap();
        entry.entry().expire_at_ms().unwrap()
    };
    let first = expiry(AT);
    assert!((11_000..12_000).contains(&first), "{first}");
    assert_eq!(expiry(At { now_ms: first - 1, ..AT }), first);
    assert!(expiry(At { now_ms: first, ..AT }) >= first + 10_000);
    assert_eq!(store.stats().loads, 2);

    for _ in 0..2 {
        let none = store.get_or_load(AT, b"none", options, || Ok::<_, Infallible>(None));
        assert!(none.unwrap().is_none());
    }
    assert_eq!((store.stats().loads, store.len(0)), (4, 1));
}

#[test]
fn a_value_is_refreshed_ahead_by_one_while_others_get_it_as_it_is() {
    let store = store();
    let options = plain().refresh_ahead(Duration::from_millis(500));
    store.set(AT, b"key", 0, b"old", Some(2_000)).unwrap();
    let call = |now_ms, value: &'static [u8]| {
        let at = At { now_ms, ..AT };
        let loaded = || Ok::<_, Infallible>(Some(Loaded::bytes(value).expire_at_ms(9_000)));
        store.get_or_load(at, b"key", options, loaded).unwrap().unwrap().bytes().unwrap().to_vec()
    };
    assert_eq!(call(1_499, b"new"), b"old");
    let (begun, has_begun) = channel();
    let (go_on, may_go_on) = channel::<()>();
    thread::scope(|scope| {
        let leader = scope.spawn(|| {
            let may_go_on = may_go_on;
            store.get_or_load(At { now_ms: 1_500, ..AT }, b"key", options, || {
                begun.send(()).unwrap();
                let _ = may_go_on.recv();
                Ok::<_, Infallible>(Some(Loaded::bytes(b"new").expire_at_ms(3_000)))
            })
        });
        has_begun.recv().unwrap();
        assert_eq!(call(1_500, b"other"), b"old");
        go_on.send(()).unwrap();
        assert_eq!(leader.join().unwrap().unwrap().unwrap().bytes(), Some(&b"new"[..]));
    });
    assert_eq!(call(1_500, b"other"), b"new");
    // One that fails leaves what is there.
    let fails = store.get_or_load(At { now_ms: 2_600, ..AT }, b"key", options, || Err("no"));
    assert_eq!(fails.unwrap().unwrap().bytes(), Some(&b"new"[..]));
    assert_eq!((store.stats().loads, store.stats().failed_loads), (2, 1));
    // One that finds nothing any more removes it.
    let none = store
        .get_or_load(At { now_ms: 2_600, ..AT }, b"key", options, || Ok::<_, Infallible>(None));
    assert!(none.unwrap().is_none());
    assert_eq!(get(&store, b"key"), None);
}

#[test]
fn what_there_is_no_room_for_is_returned_all_the_same() {
    let eviction = Eviction { policy: EvictionPolicy::None, refuse: true, ..Eviction::default() };
    let store: Store =
        Store::new(Config { max_bytes: Some(1 << 20), eviction, ..Config::default() });
    assert_eq!(load(&store, b"key", &[7; 2 << 20]).unwrap().len(), 2 << 20);
    assert_eq!(get(&store, b"key"), None);
}

#[test]
fn a_map_loads_its_own_types_and_may_remember_absence() {
    let users: Db<u64, Option<String>> = Db::new(Config::default(), || 1_000);
    let options = plain().time_to_live(Duration::from_secs(1));
    for _ in 0..2 {
        let name = |id: &u64| Ok::<_, Infallible>(Some((*id < 5).then(|| format!("user {id}"))));
        let seven = users.get_or_load(&7, options, || name(&7)).unwrap();
        let three = users.get_or_load(&3, options, || name(&3)).unwrap();
        assert_eq!((seven.as_deref(), three.unwrap().as_deref()), (Some(&None), Some("user 3")));
    }
    assert_eq!(users.store().stats().loads, 2);
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A future that is ready when the flag is set.
async fn once_set(flag: &AtomicBool) {
    std::future::poll_fn(|_| match flag.load(Ordering::Relaxed) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

#[test]
fn a_task_that_is_dropped_hands_its_load_over() {
    let users: Db<u64, String> = Db::new(Config::default(), || 1_000);
    let ready = AtomicBool::new(false);
    let loaded = |name: &'static str| {
        let ready = &ready;
        async move {
            once_set(ready).await;
            Ok::<_, Infallible>(Some(name.to_owned()))
        }
    };
    let mut first = Box::pin(users.get_or_load_async(&1, plain(), loaded("first")));
    let mut second = pin!(users.get_or_load_async(&1, plain(), loaded("second")));
    let mut third = pin!(users.get_or_load_async(&1, plain(), loaded("third")));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
    drop(first);
    ready.store(true, Ordering::Relaxed);
    let Poll::Ready(value) = poll(second.as_mut()) else { panic!("it leads now") };
    assert_eq!(value.unwrap().as_deref().map(String::as_str), Some("second"));
    let Poll::Ready(value) = poll(third.as_mut()) else { panic!("it was loaded") };
    assert_eq!(value.unwrap().as_deref().map(String::as_str), Some("second"));
    assert_eq!(users.store().stats().snapshots, 0);
}

#[test]
fn tasks_on_one_thread_wait_for_each_other_and_a_circle_is_told() {
    let store = store();
    let go = AtomicBool::new(false);
    let mut outer = pin!(store.get_or_load_async(AT, b"a", plain(), async {
        once_set(&go).await;
        match store.get_or_load_async(AT, b"b", plain(), async { bytes(b"b") }).await {
            Err(LoadError::Circular { key }) => Err(key),
            _ => Ok(None),
        }
    }));
    let mut other = pin!(store.get_or_load_async(AT, b"b", plain(), async {
        store.get_or_load_async(AT, b"a", plain(), async { bytes(b"a") }).await.unwrap();
        bytes(b"done")
    }));
    // Both run on this thread, and neither takes the other for its own loader.
    assert!(poll(outer.as_mut()).is_pending());
    assert!(poll(other.as_mut()).is_pending());
    go.store(true, Ordering::Relaxed);
    let Poll::Ready(told) = poll(outer.as_mut()) else { panic!("a circle that nobody ends") };
    assert!(matches!(told, Err(LoadError::Failed(key)) if *key == b"b"));
    let Poll::Ready(value) = poll(other.as_mut()) else { panic!("it loads `a` itself") };
    assert_eq!(value.unwrap().unwrap().bytes(), Some(&b"done"[..]));
}

const KEYS: usize = 6;

/// A source of truth behind a cache: who changes it invalidates the key afterwards, and whoever asks after that must see the change.
struct World {
    store: Store,
    truth: [AtomicU64; KEYS],
    /// What everybody must know by now.
    told: [AtomicU64; KEYS],
    clock: AtomicU64,
    done: AtomicBool,
}

impl World {
    fn at(&self) -> At {
        At { space: 0, now_ms: self.clock.load(Ordering::Relaxed) }
    }

    fn invalidate(&self, random: &mut Random) {
        let number = random.below(KEYS as u64) as usize;
        let version = self.truth[number].fetch_add(1, Ordering::SeqCst) + 1;
        let key = [number as u8];
        match random.below(4) {
            0 => {
                let both = |tx: &mut Transaction| {
                    tx.remove(0, &key);
                    tx.set(0, b"other", 0, &[0; 100], None);
                    Ok::<_, Stop>(())
                };
                self.store.transaction(TransactionOptions::at(self.at().now_ms), both).unwrap();
            }
            1 => self.store.clear(self.at()).unwrap(),
            _ => drop(self.store.remove(self.at(), &key).unwrap()),
        }
        self.told[number].fetch_max(version, Ordering::SeqCst);
        thread::sleep(Duration::from_micros(random.below(200)));
    }

    /// Loaders are slow, and some fail or panic.
    fn ask(&self, random: &mut Random) {
        let number = random.below(KEYS as u64) as usize;
        let least = self.told[number].load(Ordering::SeqCst);
        let (options, fate) = (plain().time_to_live(Duration::from_millis(3)), random.below(20));
        let pause = Duration::from_micros(random.below(300));
        let loader = || {
            let version = self.truth[number].load(Ordering::SeqCst);
            thread::sleep(pause);
            match fate {
                0 => Err("fails"),
                1 => std::panic::resume_unwind(Box::new("fails")),
                _ => Ok(Some(Loaded::bytes(version.to_le_bytes()))),
            }
        };
        let call = || self.store.get_or_load(self.at(), &[number as u8], options, loader);
        if let Ok(Ok(entry)) = catch_unwind(AssertUnwindSafe(call)) {
            let seen = u64::from_le_bytes(entry.unwrap().bytes().unwrap().try_into().unwrap());
            assert!(seen >= least, "saw {seen}, but {least} was told of before the call");
        }
    }

    /// Lets time pass, and fills the store, so that keys expire and are evicted.
    fn press(&self) {
        for number in 0u64.. {
            if self.done.load(Ordering::Relaxed) {
                return;
            }
            let filler = [9, number as u8, (number >> 8) as u8];
            let _ = self.store.set(At { space: 1, ..self.at() }, &filler, 0, &[0; 200], None);
            self.clock.fetch_add(1, Ordering::Relaxed);
            self.store.expire_due(self.at().now_ms, 100);
            self.store.collect(100);
            thread::sleep(Duration::from_micros(200));
        }
    }
}

#[test]
fn nobody_reads_what_was_invalidated_before_the_call() {
    let eviction = Eviction { policy: EvictionPolicy::Random, ..Eviction::default() };
    let store = store();
    store.set_limit(Some(store.stats().index_bytes + (1 << 16)), &eviction);
    let world = World {
        store,
        truth: Default::default(),
        told: Default::default(),
        clock: AtomicU64::new(1_000),
        done: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        let world = &world;
        let invalidators: Vec<_> = (0..2)
            .map(|seed| {
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    (0..1_500).for_each(|_| world.invalidate(&mut random));
                })
            })
            .collect();
        let askers: Vec<_> = (2..6)
            .map(|seed| {
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    while !world.done.load(Ordering::Relaxed) {
                        world.ask(&mut random);
                        thread::yield_now();
                    }
                })
            })
            .collect();
        scope.spawn(|| world.press());
        let mut ends: Vec<_> = invalidators.into_iter().map(|thread| thread.join()).collect();
        world.done.store(true, Ordering::Relaxed);
        ends.extend(askers.into_iter().map(|thread| thread.join()));
        ends.into_iter().for_each(|end| end.unwrap());
    });
    let stats = world.store.stats();
    assert!(stats.loads > 300 && stats.failed_loads > 0, "{stats:?}");
    assert!(stats.evicted_keys > 0 && stats.expired_keys > 0, "{stats:?}");
}

#[test]
fn callers_and_maps_may_be_sent_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let users: Arc<Db<u64, String>> = Arc::new(Db::new(Config::default(), || 0));
    is_send(users.get_or_load_async(&1, plain(), async { Ok::<_, Infallible>(None) }));
}

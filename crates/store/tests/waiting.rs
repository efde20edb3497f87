//! Transactions that wait for a change of what they read: threads and tasks, alternatives, stopped owners.
#![cfg(not(stillpoint_loom))]

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;
use stillpoint_store::{
    At, Config, SpaceSet, Step, Stop, Store, Transaction, TransactionError, TransactionOptions,
};

const AT: At = At { space: 0, now_ms: 1 };

fn store() -> Store {
    Store::new(Config::default())
}

fn options() -> TransactionOptions {
    TransactionOptions::at(1)
}

/// Takes the value of the key away, or waits for one.
fn take(tx: &mut Transaction, key: &[u8]) -> Result<Vec<u8>, Stop> {
    match tx.get(0, key)? {
        None => tx.retry(),
        Some(value) => {
            tx.remove(0, key);
            Ok(value)
        }
    }
}

/// Puts a value where none is, or waits until there is none.
fn put(tx: &mut Transaction, key: &[u8], value: &[u8]) -> Result<(), Stop> {
    match tx.get(0, key)? {
        Some(_) => tx.retry(),
        None => {
            tx.set(0, key, 0, value, None);
            Ok(())
        }
    }
}

#[test]
fn values_handed_over_through_one_key_arrive_in_order() {
    const ROUNDS: u32 = 3_000;
    let store = store();
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                store.transaction(options(), |tx| put(tx, b"k", &round.to_le_bytes())).unwrap();
            }
        });
        for round in 0..ROUNDS {
            let value = store.transaction(options(), |tx| take(tx, b"k")).unwrap();
            assert_eq!(value, round.to_le_bytes());
        }
    });
    assert!(store.is_empty(0));
}

#[test]
fn whoever_waits_for_several_keys_is_woken_by_each_way_of_writing() {
    let ways: [fn(&Store); 5] = [
        |store| store.set(AT, b"b", 0, b"1", None).unwrap(),
        |store| assert!(store.compare_and_set(AT, b"b", None, 0, b"1", None).unwrap()),
        |store| store.update(AT, b"b", |_, draft| draft.put(0, &[b"1"], None)).unwrap(),
        |store| {
            let mut tx = store.begin(1);
            tx.set(0, b"x", 0, b"1", None);
            tx.append(0, b"b", 0, b"1");
            tx.commit().unwrap();
        },
        |store| {
            let mut tx = store.begin(1);
            tx.set(0, b"b", 0, b"1", None);
            tx.commit().unwrap();
        },
    ];
    for way in ways {
        let store = store();
        let runs = AtomicU32::new(0);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                store.transaction(options(), |tx| {
                    runs.fetch_add(1, Ordering::Relaxed);
                    tx.or_else(|tx| take(tx, b"a"), |tx| take(tx, b"b"))
                })
            });
            while store.stats().snapshots > 0 || runs.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            // Nothing that it waits for.
            store.set(AT, b"c", 0, b"1", None).unwrap();
            way(&store);
            assert_eq!(waiter.join().unwrap(), Ok(b"1".to_vec()));
        });
        assert!(runs.load(Ordering::Relaxed) <= 3);
    }
}

#[test]
fn an_alternative_sees_nothing_of_what_gave_up_before_it() {
    let store = store();
    store.set(AT, b"b", 0, b"1", None).unwrap();
    let taken = store.transaction(options(), |tx| {
        tx.or_else(
            |tx| {
                tx.set(0, b"trace", 0, b"", None);
                take(tx, b"a")
            },
            |tx| {
                assert_eq!(tx.get(0, b"trace")?, None);
                take(tx, b"b")
            },
        )
    });
    assert_eq!(taken, Ok(b"1".to_vec()));
    assert!(store.is_empty(0));
}

#[test]
fn waiting_ends_with_its_deadline_and_never_begins_without_a_read() {
    let store = store();
    let waited =
        store.transaction(options().deadline(Duration::from_millis(20)), |tx| take(tx, b"k"));
    assert_eq!(waited, Err(TransactionError::TimedOut { attempts: 1 }));
    let waited = store.transaction(options(), |tx| tx.retry::<(), _>());
    assert_eq!(waited, Err(TransactionError::<()>::NothingToWaitFor));
}

struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_task_is_woken_once_and_may_be_dropped_while_it_waits() {
    let store = store();
    let count = Arc::new(Count(AtomicU32::new(0)));
    let waker = Waker::from(count.clone());
    let mut context = Context::from_waker(&waker);
    {
        let mut given_up = pin!(store.transaction_async(options(), |tx| take(tx, b"k")));
        assert!(given_up.as_mut().poll(&mut context).is_pending());
    }
    let mut task = pin!(store.transaction_async(options(), |tx| take(tx, b"k")));
    assert!(task.as_mut().poll(&mut context).is_pending());
    assert!(task.as_mut().poll(&mut context).is_pending());
    store.set(AT, b"other", 0, b"", None).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    store.set(AT, b"k", 0, b"1", None).unwrap();
    store.set(AT, b"k", 0, b"2", None).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(task.as_mut().poll(&mut context), Poll::Ready(Ok(b"2".to_vec())));
    // Nobody waits any more.
    store.set(AT, b"k", 0, b"3", None).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
}

#[test]
fn a_waiter_is_woken_by_a_helper_while_the_owner_of_the_commit_is_stopped() {
    let store = store();
    let (stopped, is_stopped) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let owner = std::sync::OnceLock::new();
    let owner = Arc::new(owner);
    let of_hook = owner.clone();
    store.on_step(move |step| {
        if step == Step::Prepared && of_hook.get() == Some(&thread::current().id()) {
            stopped.send(()).unwrap();
            may_go_on.lock().unwrap().recv().unwrap();
        }
    });
    thread::scope(|scope| {
        let waiter = scope.spawn(|| store.transaction(options(), |tx| take(tx, b"k")));
        scope.spawn(|| {
            owner.set(thread::current().id()).unwrap();
            let mut tx = store.begin(1);
            tx.set(0, b"k", 0, b"1", None);
            tx.set(0, b"l", 0, b"1", None);
            tx.commit().unwrap();
        });
        is_stopped.recv().unwrap();
        // Any reader of one of its keys decides it.
        store.get_with(AT, b"l", |entry| assert!(entry.is_some()));
        assert_eq!(waiter.join().unwrap(), Ok(b"1".to_vec()));
        go_on.send(()).unwrap();
    });
}

#[test]
fn a_walk_waits_for_a_new_key_in_its_interval_and_for_no_other() {
    let store: Store = Store::new(Config { ordered: SpaceSet::ALL, ..Config::default() });
    let runs = AtomicU32::new(0);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            store.transaction(options(), |tx| {
                runs.fetch_add(1, Ordering::Relaxed);
                let first = tx.prefix(0, b"job:").next_with(|entry| entry.key().to_vec())?;
                match first {
                    None => tx.retry(),
                    Some(key) => {
                        tx.remove(0, &key);
                        Ok::<_, Stop>(key)
                    }
                }
            })
        });
        while store.stats().snapshots > 0 || runs.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        store.set(AT, b"other", 0, b"", None).unwrap();
        store.set(At { space: 1, ..AT }, b"job:1", 0, b"", None).unwrap();
        thread::sleep(Duration::from_millis(20));
        assert!(runs.load(Ordering::Relaxed) <= 2, "it does not run while nothing changes");
        store.set(AT, b"job:7", 0, b"", None).unwrap();
        assert_eq!(waiter.join().unwrap(), Ok(b"job:7".to_vec()));
    });
}

//! The typed map: its operations against a map of `std`, snapshots, order, transactions.
#![cfg(not(stillpoint_loom))]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use stillpoint_store::{Config, Db, SpaceSet, Stop, abort};

fn db<K: stillpoint_store::Key, V: Send + Sync>() -> Db<K, V> {
    Db::new(Config { spaces: 1, ordered: SpaceSet::ALL, ..Config::default() }, || 0)
}

#[test]
fn it_behaves_like_a_map() {
    let (db, mut model) = (db::<String, u64>(), HashMap::new());
    let mut random = 7u64;
    for round in 0..20_000u64 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let key = format!("key {}", random >> 33 & 63);
        let before = db.get(&key);
        assert_eq!(before.as_deref(), model.get(&key), "{key} in round {round}");
        match random >> 60 {
            0..3 => {
                let removed = db.remove(key.as_str()).unwrap();
                assert_eq!(removed.as_deref().copied(), model.remove(&key));
            }
            3..6 => {
                let updated = db.update(&key, |n| n.filter(|n| *n % 2 == 0).map(|n| n + 1));
                match model.get_mut(&key) {
                    Some(n) if *n % 2 == 0 => *n += 1,
                    _ => drop(model.remove(&key)),
                }
                assert_eq!(updated.unwrap().as_deref(), model.get(&key));
            }
            6..9 => {
                let other = Arc::new(round);
                assert!(!db.compare_and_set(&key, Some(&other), round).unwrap());
                assert!(db.compare_and_set(&key, before.as_ref(), round).unwrap());
                model.insert(key, round);
            }
            _ => {
                let replaced = db.insert(&key, round).unwrap();
                assert_eq!(replaced.as_deref().copied(), model.insert(key, round));
            }
        }
        assert_eq!(db.len(), model.len() as u64);
    }
    let found: HashMap<String, u64> =
        db.iter().map(|pair| pair.unwrap()).map(|(k, v)| (k, *v)).collect();
    assert_eq!(found, model);
}

#[test]
fn ranges_follow_the_order_of_keys_in_a_cut() {
    let (db, mut model) = (db::<(String, i32), i32>(), BTreeMap::new());
    for desk in ["a", "ab", "b", ""] {
        for number in -20..20 {
            db.insert(&(desk.into(), number), number).unwrap();
            model.insert((desk.to_string(), number), number);
        }
    }
    let cut = db.snapshot();
    db.remove(&("a".into(), 0)).unwrap();
    db.insert(&("a".into(), 100), 100).unwrap();
    let bounds = ("a".to_string(), -5)..("ab".to_string(), 3);
    let pairs = |(key, value): (&(String, i32), &i32)| (key.clone(), *value);
    let expected: Vec<_> = model.range(bounds.clone()).map(pairs).collect();
    let own = |pair: Result<((String, i32), Arc<i32>), _>| pair.map(|(key, value)| (key, *value));
    let found: Vec<_> = cut.range(bounds.clone()).map(own).collect::<Result<_, _>>().unwrap();
    assert_eq!(found, expected);
    let mut back: Vec<_> = cut.range(bounds).rev().map(own).collect::<Result<_, _>>().unwrap();
    back.reverse();
    assert_eq!(back, expected);
    assert_eq!(cut.range(..).count() as u64, cut.len().unwrap());
    assert_eq!(cut.iter().count(), model.len());
}

static CLOCK: AtomicU64 = AtomicU64::new(0);

#[test]
fn values_expire_by_the_maps_own_clock() {
    let db: Db<u32, &str> = Db::new(Config::default(), || CLOCK.load(Ordering::Relaxed));
    db.insert_for(&1, "short", Duration::from_millis(10)).unwrap();
    let cut = db.snapshot();
    CLOCK.store(10, Ordering::Relaxed);
    assert_eq!(db.get(&1), None);
    assert_eq!(cut.get(&1).unwrap().as_deref(), Some(&"short"));
    db.insert_for(&2, "kept", Duration::from_millis(10)).unwrap();
    db.update(&2, |_| Some("changed")).unwrap();
    db.transaction(|tx| Ok::<_, Stop>(tx.update(&2, |_| Some("again"))?)).unwrap();
    assert!(db.contains(&2));
    CLOCK.store(20, Ordering::Relaxed);
    assert!(!db.contains(&2));
}

#[test]
fn transfers_keep_the_sum_and_refuse_what_is_not_there() {
    const ACCOUNTS: u32 = 10;
    let db: Db<u32, i64> = db();
    (0..ACCOUNTS).for_each(|account| drop(db.insert(&account, 100).unwrap()));
    let transfer = |from: u32, to: u32, amount: i64| {
        db.transaction(|tx| {
            let balance = tx.get(&from)?.map_or(0, |balance| *balance);
            if balance < amount {
                return abort(balance);
            }
            tx.insert(&from, balance - amount);
            tx.update(&to, |to| Some(to.copied().unwrap_or(0) + amount))?;
            Ok(())
        })
    };
    thread::scope(|scope| {
        for teller in 0..3 {
            scope.spawn(move || {
                for n in 0..1_000 {
                    let _ = transfer((n + teller) % ACCOUNTS, (n * 7 + 3) % ACCOUNTS, 30);
                }
            });
        }
        for _ in 0..200 {
            let sum: i64 = db.iter().map(|pair| *pair.unwrap().1).sum();
            assert_eq!(sum, 100 * i64::from(ACCOUNTS));
        }
    });
    assert!(transfer(99, 1, 1).is_err());
}

#[test]
fn a_task_takes_what_another_thread_puts() {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};
    let db: Db<u8, String> = db();
    let mut task = std::pin::pin!(db.transaction_async(db.options(), |tx| match tx.get(&1)? {
        None => tx.retry(),
        Some(value) => {
            tx.remove(&1);
            Ok::<_, Stop>(value)
        }
    }));
    let mut context = Context::from_waker(Waker::noop());
    assert!(task.as_mut().poll(&mut context).is_pending());
    db.insert(&1, "here".to_string()).unwrap();
    let Poll::Ready(Ok(value)) = task.as_mut().poll(&mut context) else { panic!("not woken") };
    assert_eq!((value.as_str(), db.len()), ("here", 0));
}

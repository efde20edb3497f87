//! Eight threads move money; an account without money is removed, and comes back when money arrives.

use crate::{SetAtEnd, duration, goes_on, maintain, number as balance, stops};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_store::{At, Config, Snapshot, Store, Transaction};
use stillpoint_testkit::Random;

const ACCOUNTS: u64 = 24;
const EACH: u64 = 3;
const AT: At = At { space: 0, now_ms: 1 };

fn key(account: u64) -> Vec<u8> {
    format!("account:{account}").into_bytes()
}

fn put(transaction: &mut Transaction, account: u64, balance: u64) {
    match balance {
        0 => transaction.remove(0, &key(account)),
        _ => transaction.set(0, &key(account), 0, &balance.to_le_bytes(), None),
    }
}

/// Moves what there is from one account to two others; whether it was committed.
fn transfer(store: &Store, random: &mut Random) -> bool {
    let mut transaction = store.begin(AT.now_ms);
    if random.percent(1) {
        transaction.request_priority();
    }
    let [from, to, third] = [(); 3].map(|()| random.below(ACCOUNTS));
    let Ok(has) = transaction.get_with(0, &key(from), balance) else { return false };
    let amount = random.below(has + 1);
    put(&mut transaction, from, has - amount);
    for (account, part) in [(to, amount / 2), (third, amount - amount / 2)] {
        let Ok(has) = transaction.get_with(0, &key(account), balance) else { return false };
        put(&mut transaction, account, has + part);
    }
    thread::yield_now();
    transaction.commit().is_ok()
}

/// The sum of a cut, by its keys and by a walk.
fn sums(snapshot: &Snapshot) -> (u64, u64) {
    let by_key =
        (0..ACCOUNTS).map(|account| snapshot.get_with(0, &key(account), balance).unwrap()).sum();
    let (mut by_walk, mut cursor) = (0, 0);
    loop {
        cursor = snapshot.scan(0, cursor, 8, |entry| by_walk += balance(Some(entry))).unwrap();
        if cursor == 0 {
            return (by_key, by_walk);
        }
    }
}

#[test]
fn no_cut_of_the_bank_has_more_or_less_money() {
    let store: Store = Store::new(Config::default());
    for account in 0..ACCOUNTS {
        store.set(AT, &key(account), 0, &EACH.to_le_bytes(), None).unwrap();
    }
    stops::put_into(&store, 5, 1, &stops::Stopped::default());
    let (start, done) = (Instant::now(), AtomicBool::new(false));
    let [committed, aborted, cuts] = [(); 3].map(|()| AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| maintain(&store, || 1, &done));
        let movers: Vec<_> = (0..8)
            .map(|seed| {
                let (store, committed, aborted, done) = (&store, &committed, &aborted, &done);
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    while goes_on(start, done) {
                        let count = if transfer(store, &mut random) { committed } else { aborted };
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let readers: Vec<_> = (0..3)
            .map(|reader| {
                let (store, cuts, done) = (&store, &cuts, &done);
                scope.spawn(move || {
                    let _last = SetAtEnd(done);
                    while start.elapsed() < duration() {
                        let snapshot = store.snapshot(1);
                        let first = sums(&snapshot);
                        // One of the readers holds its cuts for long.
                        let pause = if reader == 0 { 100_000 } else { 300 };
                        thread::sleep(Duration::from_micros(pause));
                        let all = ACCOUNTS * EACH;
                        assert_eq!((first, sums(&snapshot)), ((all, all), (all, all)));
                        cuts.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let ends: Vec<_> = movers.into_iter().chain(readers).map(|end| end.join()).collect();
        done.store(true, Ordering::Relaxed);
        ends.into_iter().for_each(|end| end.unwrap());
    });
    let total: u64 = (0..ACCOUNTS).map(|account| store.get_with(AT, &key(account), balance)).sum();
    assert_eq!(total, ACCOUNTS * EACH);
    while store.collect(1000) > 0 {}
    println!(
        "bank: {} transfers, {} aborted, {} cuts read twice, none with another sum; {:?}",
        committed.into_inner(),
        aborted.into_inner(),
        cuts.into_inner(),
        start.elapsed()
    );
}

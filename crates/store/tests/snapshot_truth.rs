//! Snapshots are cuts: writers keep an invariant over 100 keys, readers check it.
//!
//! Every transaction moves an amount between two of 100 accounts, half of which are bytes and half objects; the sum stays. Each key's
//! value also carries a count of its changes, and the sum of counts is even in every cut (each transfer changes two). The same check on plain,
//! one-by-one reads must find violations, or the test could not fail.
//!
//! `STILLPOINT_CUTS` sets how many cuts are checked (default 4,000).
#![cfg(not(stillpoint_loom))]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use stillpoint_store::{At, Config, Entry, Store, Value};

const ACCOUNTS: u64 = 100;
const EACH: u64 = 1_000;
const AT: At = At { space: 3, now_ms: 1 };

/// Balance and number of changes.
type Account = (u64, u64);
type Bank = Store<Account>;

fn key(account: u64) -> Vec<u8> {
    format!("account:{account:03}").into_bytes()
}

fn account(entry: Option<Entry<'_, Account>>) -> Account {
    match entry.expect("accounts are never removed").value() {
        Value::Object(account) => **account,
        Value::Bytes(bytes) => {
            let (balance, changes) = bytes.split_at(8);
            (
                u64::from_le_bytes(balance.try_into().unwrap()),
                u64::from_le_bytes(changes.try_into().unwrap()),
            )
        }
    }
}

fn put(draft: &mut stillpoint_store::Draft<'_, Account>, number: u64, account: Account) {
    if number.is_multiple_of(2) {
        draft.put(0, &[&account.0.to_le_bytes(), &account.1.to_le_bytes()], None);
    } else {
        draft.put_object(1, Arc::new(account), None);
    }
}

fn open_bank() -> Bank {
    let bank = Bank::new(Config::default());
    for number in 0..ACCOUNTS {
        bank.update(AT, &key(number), |_, draft| put(draft, number, (EACH, 0))).unwrap();
    }
    bank
}

/// Moves 1 from one account to another; whether it was committed.
fn transfer(bank: &Bank, from: u64, to: u64) -> bool {
    let mut transaction = bank.begin(AT.now_ms);
    let mut change = |number: u64, by: i64| {
        transaction.update(AT.space, &key(number), |entry, draft| {
            let (balance, changes) = account(entry);
            put(draft, number, (balance.wrapping_add_signed(by), changes + 1));
        })
    };
    change(from, -1).unwrap();
    change(to, 1).unwrap();
    transaction.commit().is_ok()
}

fn holds(total: Account) -> bool {
    total.0 == ACCOUNTS * EACH && total.1.is_multiple_of(2)
}

fn add(total: Account, account: Account) -> Account {
    (total.0.wrapping_add(account.0), total.1 + account.1)
}

fn sum_in_snapshot(bank: &Bank, by_scan: bool) -> Account {
    let snapshot = bank.snapshot(AT.now_ms);
    if !by_scan {
        return (0..ACCOUNTS)
            .map(|number| snapshot.get_with(AT.space, &key(number), account).unwrap())
            .fold((0, 0), add);
    }
    let mut seen = std::collections::HashMap::new();
    let mut cursor = 0;
    loop {
        cursor = snapshot
            .scan(AT.space, cursor, 10, |entry| {
                seen.insert(entry.key().to_vec(), account(Some(entry)));
            })
            .unwrap();
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen.len() as u64, ACCOUNTS);
    seen.into_values().fold((0, 0), add)
}

fn sum_in_transaction(bank: &Bank) -> Account {
    let mut transaction = bank.begin(AT.now_ms);
    (0..ACCOUNTS)
        .map(|number| transaction.get_with(AT.space, &key(number), account).unwrap())
        .fold((0, 0), add)
}

fn sum_plainly(bank: &Bank) -> Account {
    (0..ACCOUNTS).map(|number| bank.get_with(AT, &key(number), account)).fold((0, 0), add)
}

/// Lets two threads transfer while `check` runs; how many transfers there were.
fn under_transfers(bank: &Bank, check: impl FnOnce()) -> u64 {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for seed in [3u64, 11] {
            let (stop, done) = (&stop, &done);
            scope.spawn(move || {
                let mut random = seed;
                while !stop.load(Ordering::Relaxed) {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let (from, to) = ((random >> 33) % ACCOUNTS, (random >> 45) % ACCOUNTS);
                    if from != to && transfer(bank, from, to) {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        check();
        stop.store(true, Ordering::Relaxed);
    });
    done.into_inner()
}

#[test]
fn no_cut_is_torn() {
    let cuts = std::env::var("STILLPOINT_CUTS")
        .map_or(4_000, |cuts| cuts.parse().expect("a number of cuts"));
    let bank = open_bank();
    let transfers = under_transfers(&bank, || {
        for cut in 0..cuts {
            let total = match cut % 4 {
                0 => sum_in_snapshot(&bank, true),
                1 => sum_in_transaction(&bank),
                _ => sum_in_snapshot(&bank, false),
            };
            assert!(holds(total), "cut {cut} is torn: {total:?}");
        }
    });
    assert!(holds(sum_plainly(&bank)));
    assert!(transfers > 100, "the writers did next to nothing: {transfers}");
    println!("{cuts} cuts, {transfers} transfers, none torn; {:?}", bank.stats());
}

#[test]
fn plain_reads_are_torn() {
    let bank = open_bank();
    let mut torn = 0;
    under_transfers(&bank, || {
        for _ in 0..200_000 {
            torn += u64::from(!holds(sum_plainly(&bank)));
            if torn > 10 {
                break;
            }
        }
    });
    assert!(torn > 0, "the check does not notice torn reads");
}

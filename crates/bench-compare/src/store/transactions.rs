//! Serialisable transactions over all keys: money from one to another, ten keys read and written, and Smallbank.
//!
//! Smallbank: half as many customers as keys, each with a checking and a savings account; 90 % of the transactions go to a hundred of them.
//!
//! | transaction | of 100 | does |
//! |---|---|---|
//! | amalgamate | 15 | all money of one customer to the checking account of another |
//! | balance | 15 | reads both accounts |
//! | deposit | 15 | adds to a checking account |
//! | payment | 25 | from one checking account to another, if there is enough |
//! | savings | 15 | adds to a savings account, or takes if there is enough |
//! | check | 15 | takes from a checking account, one more if both together have not enough |
//!
//! After the transfers all money must still be there; a subject that lost some fails.

use super::load::Load;
use super::subject::{Attempt, Key, Retry, Subject, Transactional};
use crate::crew::Gate;
use crate::plan::Figure;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use stillpoint_testkit::{Random, key};

const TEN: usize = 10;
const HOT_CUSTOMERS: u64 = 100;
const HOT_PERCENT: u64 = 90;

/// What one thread does again and again.
type Step = fn(&mut Random, u64) -> Planned;

/// A transaction and the keys that it may touch.
struct Planned {
    keys: Vec<Key>,
    body: fn(&[Key], &mut dyn Attempt) -> Result<(), Retry>,
}

const PARTS: [(&str, Step); 3] = [("transfer", transfer), ("rmw10", ten), ("smallbank", smallbank)];

pub(crate) fn run<S: Transactional>(load: &Load) -> Result<Vec<Figure>, String> {
    let store: S = load.filled();
    let mut figures = Vec::new();
    transactions(&load.warming(), "warm", &store, transfer);
    for (part, step) in PARTS {
        figures.extend(transactions(load, part, &store, step));
        if part == "transfer" {
            audit(&store, load)?;
        }
    }
    Ok(figures)
}

fn transactions<S: Transactional>(load: &Load, part: &str, store: &S, step: Step) -> Vec<Figure> {
    let in_vain = AtomicU64::new(0);
    let (mut figures, done) = load.run(part, store, |thread| {
        let mut random = Random::new(thread);
        let in_vain = &in_vain;
        move |gate: &Gate| {
            let planned = step(&mut random, load.keys);
            let mut body = |attempt: &mut dyn Attempt| (planned.body)(&planned.keys, attempt);
            let failed = store.transact(&planned.keys, &|| gate.open(), &mut body);
            if failed > 0 {
                // Relaxed: a mere count
                in_vain.fetch_add(failed, Ordering::Relaxed);
            }
        }
    });
    let aborts = in_vain.into_inner() as f64 * 1e3 / done;
    figures.push(Figure::new(&format!("{part}/aborts_per_1000"), "1", aborts));
    figures
}

/// All money is still there.
fn audit<S: Subject>(store: &S, load: &Load) -> Result<(), String> {
    let mut value = vec![0; load.value_bytes];
    let mut sum = 0;
    for account in 0..load.keys {
        if !store.get(&key(account), &mut value) {
            return Err(format!("account {account} is gone"));
        }
        sum += super::subject::number(&value);
    }
    if sum == 0 { Ok(()) } else { Err(format!("the transfers changed the sum by {sum}")) }
}

/// Two different numbers below `bound`.
fn two(random: &mut Random, mut one: impl FnMut(&mut Random) -> u64) -> (u64, u64) {
    let first = one(random);
    loop {
        let second = one(random);
        if second != first {
            return (first, second);
        }
    }
}

fn transfer(random: &mut Random, keys: u64) -> Planned {
    let (from, to) = two(random, |random| random.below(keys));
    Planned {
        keys: vec![key(from), key(to)],
        body: |keys, attempt| {
            attempt.add(&keys[0], -1)?;
            attempt.add(&keys[1], 1).map(drop)
        },
    }
}

fn ten(random: &mut Random, keys: u64) -> Planned {
    Planned {
        keys: (0..TEN).map(|_| key(random.below(keys))).collect(),
        body: |keys, attempt| keys.iter().try_for_each(|key| attempt.add(key, 1).map(drop)),
    }
}

fn smallbank(random: &mut Random, keys: u64) -> Planned {
    let customers = (keys / 2).max(2);
    let customer = |random: &mut Random| {
        let bound =
            if random.percent(HOT_PERCENT) { HOT_CUSTOMERS.min(customers) } else { customers };
        random.below(bound)
    };
    let (one, other) = two(random, customer);
    let (checking, savings) = (key(one * 2), key(one * 2 + 1));
    match random.below(100) {
        0..15 => Planned { keys: vec![checking, savings, key(other * 2)], body: amalgamate },
        15..30 => Planned { keys: vec![checking, savings], body: look },
        30..45 => Planned {
            keys: vec![checking],
            body: |keys, attempt| attempt.add(&keys[0], 100).map(drop),
        },
        45..70 => Planned { keys: vec![checking, key(other * 2)], body: pay },
        70..85 => Planned {
            keys: vec![savings],
            body: |keys, attempt| attempt.add(&keys[0], 20).map(drop),
        },
        _ => Planned { keys: vec![checking, savings], body: write_check },
    }
}

fn look(keys: &[Key], attempt: &mut dyn Attempt) -> Result<(), Retry> {
    for key in keys {
        black_box(attempt.balance(key)?);
    }
    Ok(())
}

fn amalgamate(keys: &[Key], attempt: &mut dyn Attempt) -> Result<(), Retry> {
    let (checking, savings) = (attempt.balance(&keys[0])?, attempt.balance(&keys[1])?);
    attempt.add(&keys[0], checking.wrapping_neg())?;
    attempt.add(&keys[1], savings.wrapping_neg())?;
    attempt.add(&keys[2], checking.wrapping_add(savings)).map(drop)
}

fn pay(keys: &[Key], attempt: &mut dyn Attempt) -> Result<(), Retry> {
    const AMOUNT: i64 = 5;
    if attempt.balance(&keys[0])? >= AMOUNT {
        attempt.add(&keys[0], -AMOUNT)?;
        attempt.add(&keys[1], AMOUNT)?;
    }
    Ok(())
}

fn write_check(keys: &[Key], attempt: &mut dyn Attempt) -> Result<(), Retry> {
    const AMOUNT: i64 = 5;
    let together = attempt.balance(&keys[0])?.wrapping_add(attempt.balance(&keys[1])?);
    let penalty = i64::from(together < AMOUNT);
    attempt.add(&keys[0], -AMOUNT - penalty).map(drop)
}

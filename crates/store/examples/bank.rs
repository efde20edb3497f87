//! A bank: transfers between accounts, an auditor who always sees the same total, and a payment that takes the first account that has enough.

use std::thread;
use stillpoint_store::{Stm, StmTransaction, Stop, TVar, abort};

const ACCOUNTS: usize = 8;
const START: i64 = 100;
const TRANSFERS: usize = 2_000;

fn pay(tx: &mut StmTransaction<'_>, from: &TVar<i64>, amount: i64) -> Result<(), Stop<String>> {
    match *tx.get(from)? {
        balance if balance < amount => tx.retry(),
        balance => {
            tx.set(from, balance - amount);
            Ok(())
        }
    }
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stm = Stm::new();
    let accounts: Vec<_> = (0..ACCOUNTS).map(|_| stm.tvar(START)).collect();
    let transfer = |from: usize, to: usize, amount: i64| {
        stm.atomically(|tx| {
            let balance = *tx.get(&accounts[from])?;
            if balance < amount {
                return abort(format!("account {from} has only {balance}"));
            }
            tx.set(&accounts[from], balance - amount);
            Ok(tx.modify(&accounts[to], |balance| balance + amount)?)
        })
    };
    let total = || {
        stm.atomically(|tx| {
            accounts.iter().try_fold(0, |sum, account| Ok::<_, Stop>(sum + *tx.get(account)?))
        })
    };
    let refused: usize = thread::scope(|scope| {
        let tellers: Vec<_> = (0..3)
            .map(|teller| {
                let one = move |n: usize| (n % ACCOUNTS, (n * 3 + 1 + teller) % ACCOUNTS, 40);
                scope.spawn(move || {
                    let all = (0..TRANSFERS).map(one).filter(|(from, to, _)| from != to);
                    all.filter(|&(from, to, amount)| transfer(from, to, amount).is_err()).count()
                })
            })
            .collect();
        for _ in 0..200 {
            assert_eq!(total(), Ok(ACCOUNTS as i64 * START));
        }
        tellers.into_iter().map(|teller| teller.join().expect("no teller panics")).sum()
    });
    // From whichever has enough; if none had, it would wait.
    accounts[0].store(0);
    accounts[1].store(500);
    stm.atomically(|tx| {
        tx.or_else(|tx| pay(tx, &accounts[0], 300), |tx| pay(tx, &accounts[1], 300))
    })?;
    assert_eq!(*accounts[1].load(), 200);
    println!("the total never changed; {refused} transfers were refused for want of money");
    Ok(())
}

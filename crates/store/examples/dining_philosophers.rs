//! Dining philosophers: each takes both forks in one transaction, or waits until one is put down. Nobody can deadlock.

use std::thread;
use stillpoint_store::{Stm, Stop, TVar};

const PHILOSOPHERS: usize = 5;
const MEALS: u32 = 200;

fn dine(stm: &Stm, left: &TVar<bool>, right: &TVar<bool>, eaten: &TVar<u32>) {
    for _ in 0..MEALS {
        let taken = stm.atomically(|tx| {
            for fork in [left, right] {
                if !*tx.get(fork)? {
                    return tx.retry();
                }
                tx.set(fork, false);
            }
            Ok::<_, Stop>(())
        });
        taken.expect("nothing but conflicts, and those are run again");
        let put_down = stm.atomically(|tx| {
            tx.modify(eaten, |meals| meals + 1)?;
            tx.set(left, true);
            tx.set(right, true);
            Ok::<_, Stop>(())
        });
        put_down.expect("nothing but conflicts, and those are run again");
    }
}

pub(crate) fn main() {
    let stm = Stm::new();
    let forks: Vec<_> = (0..PHILOSOPHERS).map(|_| stm.tvar(true)).collect();
    let eaten: Vec<_> = (0..PHILOSOPHERS).map(|_| stm.tvar(0)).collect();
    thread::scope(|scope| {
        for (seat, eaten) in eaten.iter().enumerate() {
            let (left, right) = (&forks[seat], &forks[(seat + 1) % PHILOSOPHERS]);
            let stm = &stm;
            scope.spawn(move || dine(stm, left, right, eaten));
        }
    });
    assert!(eaten.iter().all(|meals| *meals.load() == MEALS));
    assert!(forks.iter().all(|fork| *fork.load()));
    println!("{PHILOSOPHERS} philosophers ate {MEALS} meals each");
}

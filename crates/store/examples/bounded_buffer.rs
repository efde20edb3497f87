//! A bounded buffer between threads: `retry` waits for room and for items, without a condition variable.

use std::collections::VecDeque;
use std::thread;
use stillpoint_store::{Stm, Stop, TVar};

const ITEMS: u64 = 2_000;
const ROOM: usize = 8;
const CONSUMERS: u64 = 2;

type Buffer = TVar<VecDeque<Option<u64>>>;

fn put(stm: &Stm, buffer: &Buffer, item: Option<u64>) {
    let done = stm.atomically(|tx| {
        let mut items = (*tx.get(buffer)?).clone();
        if items.len() == ROOM {
            return tx.retry();
        }
        items.push_back(item);
        tx.set(buffer, items);
        Ok::<_, Stop>(())
    });
    done.expect("nothing but conflicts, and those are run again");
}

fn take(stm: &Stm, buffer: &Buffer) -> Option<u64> {
    let taken = stm.atomically(|tx| {
        let mut items = (*tx.get(buffer)?).clone();
        let Some(item) = items.pop_front() else { return tx.retry() };
        tx.set(buffer, items);
        Ok::<_, Stop>(item)
    });
    taken.expect("nothing but conflicts, and those are run again")
}

pub(crate) fn main() {
    let stm = Stm::new();
    let buffer: Buffer = stm.tvar(VecDeque::new());
    let sum: u64 = thread::scope(|scope| {
        let consumers: Vec<_> = (0..CONSUMERS)
            .map(|_| scope.spawn(|| std::iter::from_fn(|| take(&stm, &buffer)).sum::<u64>()))
            .collect();
        (1..=ITEMS).for_each(|item| put(&stm, &buffer, Some(item)));
        (0..CONSUMERS).for_each(|_| put(&stm, &buffer, None));
        consumers.into_iter().map(|consumer| consumer.join().expect("no consumer panics")).sum()
    });
    assert_eq!(sum, ITEMS * (ITEMS + 1) / 2);
    println!("{ITEMS} items through a buffer of {ROOM}, sum {sum}");
}

//! Numbers that follow each other: a chain of keys, each a copy of the one before that its writer had read; and each writer's own keys in turn.
//!
//! ```text
//!  thread 0        counts       chain:0      in every cut  chain:0 ≥ chain:1 ≥ … ≥ chain:7
//!  thread n        chain:n-1 ─▶ chain:n      by plain reads and writes of one key
//!  every thread    own:n:0 = i, own:n:1 = i, own:n:2 = i one after the other: in every cut own:n:0 ≥ own:n:1 ≥ own:n:2 ≥ own:n:0 - 1
//!  transactions    both:n:0 and both:n:1 are equal in every cut
//! ```

use crate::{SetAtEnd, duration, goes_on, maintain, number, stops};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_store::{At, Config, Snapshot, Store};

const THREADS: u64 = 8;
const AT: At = At { space: 0, now_ms: 1 };

fn set(store: &Store, key: &str, number: u64) {
    store.set(AT, key.as_bytes(), 0, &number.to_le_bytes(), None).unwrap();
}

/// Writes until the time is over; how often.
fn write(store: &Store, thread: u64, goes_on: impl Fn() -> bool) -> u64 {
    let mut round = 0;
    while goes_on() {
        round += 1;
        let copied = match thread {
            0 => round,
            _ => store.get_with(AT, format!("chain:{}", thread - 1).as_bytes(), number),
        };
        set(store, &format!("chain:{thread}"), copied);
        (0..3).for_each(|part| set(store, &format!("own:{thread}:{part}"), round));
        let mut transaction = store.begin(1);
        for part in 0..2 {
            let key = format!("both:{thread}:{part}");
            transaction.set(0, key.as_bytes(), 0, &round.to_le_bytes(), None);
        }
        // Blind writes of keys that nobody else writes, and nobody's way: so none is refused.
        transaction.commit().unwrap();
    }
    round
}

/// All numbers of a cut, after a look at what must hold between them.
fn look(snapshot: &Snapshot) -> Vec<u64> {
    let read = |key: String| snapshot.get_with(0, key.as_bytes(), number).unwrap();
    // The effects first: a reader without a snapshot would see causes that are newer.
    let chain: Vec<u64> = (0..THREADS).map(|thread| read(format!("chain:{thread}"))).collect();
    assert!(chain.is_sorted_by(|cause, effect| cause >= effect), "{chain:?}");
    let mut all = chain;
    for thread in 0..THREADS {
        let own: [u64; 3] = std::array::from_fn(|part| read(format!("own:{thread}:{part}")));
        assert!(own.is_sorted_by(|a, b| a >= b) && own[2] + 1 >= own[0], "{thread}: {own:?}");
        let both: [u64; 2] = std::array::from_fn(|part| read(format!("both:{thread}:{part}")));
        assert_eq!(both[0], both[1], "{thread}");
        all.extend(own.into_iter().chain(both));
    }
    all
}

#[test]
fn no_cut_shows_an_effect_without_its_cause() {
    let store: Store = Store::new(Config::default());
    stops::put_into(&store, 5, 2, &stops::Stopped::default());
    let (start, done) = (Instant::now(), AtomicBool::new(false));
    let [writes, cuts] = [(); 2].map(|()| AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| maintain(&store, || 1, &done));
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (store, writes, done) = (&store, &writes, &done);
                scope.spawn(move || {
                    let rounds = write(store, thread, || goes_on(start, done));
                    writes.fetch_add(6 * rounds, Ordering::Relaxed);
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
                        let first = look(&snapshot);
                        let pause = if reader == 0 { 50_000 } else { 200 };
                        thread::sleep(Duration::from_micros(pause));
                        assert_eq!(first, look(&snapshot), "the same cut, read again");
                        cuts.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let ends: Vec<_> = writers.into_iter().chain(readers).map(|end| end.join()).collect();
        done.store(true, Ordering::Relaxed);
        ends.into_iter().for_each(|end| end.unwrap());
    });
    println!(
        "cuts: {} writes, {} cuts read twice, none with an effect before its cause; {:?}",
        writes.into_inner(),
        cuts.into_inner(),
        start.elapsed()
    );
}

//! Threads are stopped at random steps, mostly for moments, sometimes for long.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use stillpoint_store::{Step, Store};
use stillpoint_testkit::Random;

/// How often a thread was stopped at which step.
pub(crate) type Stopped = Arc<Mutex<BTreeMap<String, u64>>>;

thread_local! {
    static RANDOM: RefCell<Option<Random>> = const { RefCell::new(None) };
}

/// Stops threads at so many of 1,000 steps.
pub(crate) fn put_into(store: &Store, per_mille: u64, seed: u64, stopped: &Stopped) {
    let (stopped, threads) = (Arc::clone(stopped), AtomicU64::new(0));
    store.on_step(move |step| {
        let pause = RANDOM.with_borrow_mut(|random| {
            let random = random.get_or_insert_with(|| {
                Random::new(seed ^ threads.fetch_add(1, Ordering::Relaxed) << 48)
            });
            (random.below(1000) < per_mille).then(|| random.below(100))
        });
        if let Some(pause) = pause {
            *stopped.lock().unwrap().entry(name(step)).or_default() += 1;
            match pause {
                0 => thread::sleep(Duration::from_millis(10)),
                1..=19 => thread::sleep(Duration::from_micros(100 + 20 * pause)),
                _ => (0..pause / 10).for_each(|_| thread::yield_now()),
            }
        }
    });
}

fn name(step: Step) -> String {
    match step {
        Step::Installed(_) => "Installed".to_owned(),
        step => format!("{step:?}"),
    }
}

//! One place, two writers that replace what is in it, two readers that hold on to what they found: random schedules, longer than loom can exhaust.
//! Each node notices when it is read after its end, and each must have ended exactly once.
//!
//! ```text
//! RUSTFLAGS="--cfg stillpoint_shuttle" CARGO_TARGET_DIR=target/shuttle cargo test -p stillpoint-reclaim --test shuttle_slot
//! ```
#![cfg(stillpoint_shuttle)]

use shuttle::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering as Plain};
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, Collector, Owned};

const SCHEDULES: usize = 2_000;
const EACH: usize = 12;
const ALIVE: usize = 7;

struct Node {
    state: AtomicUsize,
    ended: Arc<AtomicUsize>,
}

impl Drop for Node {
    fn drop(&mut self) {
        assert_eq!(self.state.swap(0, Plain::Relaxed), ALIVE, "ended twice");
        self.ended.fetch_add(1, Plain::Relaxed);
    }
}

struct Place {
    node: Atomic<Node>,
    collector: Collector,
    ended: Arc<AtomicUsize>,
}

impl Place {
    fn put(&self) {
        let guard = self.collector.pin();
        let node = Node { state: AtomicUsize::new(ALIVE), ended: self.ended.clone() };
        let old = self.node.swap(Owned::new(&guard, node), Ordering::AcqRel);
        // SAFETY: the swap took it out of the only place that leads to it, once.
        unsafe { old.retire(&guard) };
    }

    fn read(&self) {
        let guard = self.collector.pin();
        let held: Vec<_> =
            (0..3).map(|_| guard.insisting(|guard| guard.protect(&self.node))).collect();
        thread::yield_now();
        // SAFETY: protected, and the guard lives.
        for node in held.iter().filter_map(|node| unsafe { node.as_ref() }) {
            assert_eq!(node.state.load(Plain::Relaxed), ALIVE, "reclaimed under a reader");
        }
    }
}

fn play() {
    let ended = Arc::new(AtomicUsize::new(0));
    let collector = Collector::builder().lease_ticks(0).batch_len(2).build();
    let place = Arc::new(Place { node: Atomic::null(), collector, ended: ended.clone() });
    let threads: Vec<_> = (0..4)
        .map(|role| {
            let place = place.clone();
            thread::spawn(move || {
                (0..EACH).for_each(|_| if role < 2 { place.put() } else { place.read() })
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let guard = place.collector.pin();
    // SAFETY: nobody else is there.
    unsafe { place.node.take(Ordering::AcqRel).retire(&guard) };
    drop(guard);
    drop(place);
    assert_eq!(ended.load(Plain::Relaxed), 2 * EACH, "every node ends once");
}

#[test]
fn what_a_guard_found_lives_as_long_as_the_guard() {
    shuttle::check_random(play, SCHEDULES);
}

//! The background thread: what it drains, where destructors run, how it ends.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::collections::HashSet;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};
use stillpoint_reclaim::{Collector, Guard, Limit};

type Threads = Arc<Mutex<HashSet<ThreadId>>>;

/// Notes which thread drops it.
struct Noted(Threads);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.lock().unwrap().insert(thread::current().id());
    }
}

fn retire(guard: &Guard<'_>, droppers: &Threads, nodes: usize) {
    for _ in 0..nodes {
        let node = Box::into_raw(Box::new(Noted(droppers.clone())));
        // SAFETY: never published.
        unsafe { guard.retire_box(node, guard.birth()) };
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}: waited for 20 s");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn destructors_stay_off_the_threads_that_retire_when_asked() {
    let collector = Collector::builder().batch_len(16).reclaim_on_retire(false).build();
    let background = collector.background().interval(Duration::from_millis(1)).start().unwrap();
    let droppers = Threads::default();
    for _ in 0..10_000 {
        retire(&collector.pin(), &droppers, 1);
    }
    collector.hand_over();
    wait_until("all reclaimed", || collector.stats().unreclaimed == 0);
    assert!(!droppers.lock().unwrap().contains(&thread::current().id()));
    assert_eq!(droppers.lock().unwrap().len(), 1, "the background thread alone");
    drop(background);
}

#[test]
fn an_idle_thread_that_handed_over_and_one_that_exited_leave_nothing() {
    let collector = Collector::builder().batch_len(16).build();
    let _background =
        collector.background().interval(Duration::from_millis(1)).budget(7).start().unwrap();
    let droppers = Threads::default();
    let (tell, told) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let (idle, droppers) = (&collector, &droppers);
        scope.spawn(move || {
            retire(&idle.pin(), droppers, 100);
            idle.hand_over();
            let _ = told.recv();
        });
        scope.spawn(|| retire(&collector.pin(), droppers, 100));
        wait_until("all reclaimed", || {
            let stats = collector.stats();
            stats.retired == 200 && stats.unreclaimed == 0
        });
        drop(tell);
    });
}

#[test]
fn what_a_reader_held_back_goes_when_it_has_gone_though_nobody_retires() {
    let collector = Collector::builder().batch_len(16).build();
    let _background = collector.background().interval(Duration::from_millis(1)).start().unwrap();
    let droppers = Threads::default();
    let reader = collector.pin_classic();
    thread::scope(|scope| {
        scope.spawn(|| retire(&collector.pin(), &droppers, 1_000)).join().unwrap();
    });
    thread::sleep(Duration::from_millis(20));
    assert!(collector.stats().unreclaimed >= 900);
    drop(reader);
    wait_until("all reclaimed", || collector.stats().unreclaimed == 0);
}

#[test]
fn a_soft_limit_wakes_it() {
    let collector = Collector::builder()
        .batch_len(16)
        .reclaim_on_retire(false)
        .soft_limit(Limit::nodes(500), |_| {})
        .build();
    let hour = Duration::from_secs(3_600);
    let background = collector.background().interval(hour).budget(1).start().unwrap();
    let droppers = Threads::default();
    for _ in 0..512 {
        retire(&collector.pin(), &droppers, 1);
    }
    wait_until("most reclaimed", || collector.stats().unreclaimed <= 16);
    collector.hand_over();
    background.hurry();
    wait_until("the rest, too", || collector.stats().unreclaimed == 0);
    let began = Instant::now();
    drop(background);
    assert!(began.elapsed() < Duration::from_secs(60), "it does not sleep its hour out");
}

#[test]
fn the_collector_may_go_first() {
    let droppers = Threads::default();
    let collector = Collector::builder().name("short").reclaim_on_retire(false).build();
    let background = collector.background().start().unwrap();
    retire(&collector.pin(), &droppers, 100);
    drop(collector);
    drop(background);
    assert_eq!(Arc::strong_count(&droppers), 1, "the thread's handle was the last one");
}

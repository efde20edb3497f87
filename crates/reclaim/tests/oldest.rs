//! Who holds back memory, and for how long: names and ages in the statistics.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_reclaim::{Collector, Guard};

fn retire(guard: &Guard<'_>, nodes: usize) {
    for _ in 0..nodes {
        let node = Box::into_raw(Box::new(1u64));
        // SAFETY: never published.
        unsafe { guard.retire_box(node, guard.birth()) };
    }
}

#[test]
fn the_oldest_guard_is_known_by_name_thread_and_age() {
    let collector = Collector::builder().name("orders").batch_len(8).build();
    let (pinned, is_pinned) = mpsc::channel();
    let (tell, told) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let reader = &collector;
        thread::Builder::new()
            .name("reporter".into())
            .spawn_scoped(scope, move || {
                let guard = reader.pin_named("monthly report");
                pinned.send(()).unwrap();
                let _ = told.recv();
                drop(guard);
            })
            .unwrap();
        is_pinned.recv().unwrap();
        let fresh = collector.stats().oldest.unwrap();
        assert_eq!(fresh.age, Duration::ZERO, "the epoch of its pin is not over");
        let began = Instant::now();
        retire(&collector.pin(), 100);
        thread::sleep(Duration::from_millis(30));
        let stats = collector.stats();
        let oldest = stats.oldest.unwrap();
        assert_eq!(stats.name.as_deref(), Some("orders"));
        assert_eq!(oldest.name, Some("monthly report"));
        assert_eq!(oldest.thread.as_deref(), Some("reporter"));
        assert!(oldest.age_ticks >= 10, "{oldest:?}");
        assert!(oldest.age >= Duration::from_millis(30), "{oldest:?}");
        assert!(oldest.age <= began.elapsed(), "never more than the truth: {oldest:?}");
        let text = oldest.to_string();
        assert!(text.starts_with("\"monthly report\" of reporter, "), "{text}");
        drop(tell);
    });
    assert_eq!(collector.stats().oldest, None);
}

#[test]
fn a_name_goes_with_the_outermost_guard() {
    let collector = Collector::new();
    let name = || collector.stats().oldest.unwrap().name;
    let outer = collector.pin();
    assert_eq!(name(), None);
    {
        let inner = collector.pin_named("inner");
        assert_eq!(name(), Some("inner"));
        drop(collector.pin_named("innermost"));
        assert_eq!(name(), Some("inner"), "the name given first stays");
        inner.set_name("renamed");
        assert_eq!(name(), Some("renamed"));
        assert!(!inner.is_outermost());
    }
    assert_eq!(name(), Some("renamed"), "the reservation is still the same");
    assert!(outer.is_outermost());
    drop(outer);
    let again = collector.pin();
    assert!(!again.is_named());
    assert_eq!(name(), None);
}

#[test]
fn a_guard_pinned_anew_is_young_again() {
    let collector = Collector::builder().batch_len(4).build();
    let mut guard = collector.pin_named("worker");
    retire(&guard, 40);
    assert!(collector.stats().oldest.unwrap().age_ticks >= 10);
    assert!(guard.repin());
    let oldest = collector.stats().oldest.unwrap();
    assert_eq!((oldest.age_ticks, oldest.age), (0, Duration::ZERO));
    assert_eq!(oldest.name, Some("worker"), "but keeps its name");
}

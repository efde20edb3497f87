//! Limits on unreclaimed memory: attempts, callbacks once a crossing, callbacks that retire, pin and panic.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use stillpoint_reclaim::{Collector, Guard, Limit, Stats, WeakCollector};

const BYTES: u64 = 64;

fn retire(guard: &Guard<'_>, nodes: u64) {
    for _ in 0..nodes {
        let node = Box::into_raw(Box::new([1u8; BYTES as usize]));
        // SAFETY: never published.
        unsafe { guard.retire_box(node, guard.birth()) };
    }
}

/// Runs `work` while another thread holds a guard that holds back whatever is retired, and is called `name`.
fn behind_a_stalled_guard(collector: &Collector, name: &'static str, work: impl FnOnce()) {
    let (pinned, is_pinned) = std::sync::mpsc::channel();
    let (tell, told) = std::sync::mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let guard = collector.pin_classic();
            guard.set_name(name);
            pinned.send(()).unwrap();
            let _ = told.recv();
            drop(guard);
        });
        is_pinned.recv().unwrap();
        work();
        drop(tell);
    });
}

#[test]
fn a_callback_comes_once_a_crossing_and_names_the_culprit() {
    let calls: Arc<Mutex<Vec<Stats>>> = Arc::default();
    let log = calls.clone();
    let collector = Collector::builder()
        .batch_len(16)
        .soft_limit(Limit::nodes(1_000), move |stats| log.lock().unwrap().push(stats.clone()))
        .build();
    for crossing in 1..=3 {
        behind_a_stalled_guard(&collector, "long scan", || {
            for _ in 0..5_000 {
                retire(&collector.pin(), 1);
            }
        });
        let seen = calls.lock().unwrap().clone();
        assert_eq!(seen.len(), crossing, "5,000 nodes and 300 sweeps above the limit: one call");
        let stats = seen.last().unwrap();
        assert!((1_000..1_100).contains(&stats.unreclaimed), "{}", stats.unreclaimed);
        let oldest = stats.oldest.as_ref().unwrap();
        assert_eq!(oldest.name, Some("long scan"));
        assert!(oldest.age_ticks >= 60, "{oldest:?}");
        collector.flush();
        assert_eq!(collector.stats().unreclaimed, 0);
    }
}

#[test]
fn a_soft_limit_reclaims_what_can_go_instead_of_calling() {
    let calls = Arc::new(AtomicU64::new(0));
    let count = calls.clone();
    // Sweeps as part of retirements leave some bags standing; the attempt does not.
    let collector = Collector::builder()
        .batch_len(16)
        .soft_limit(Limit::nodes(48), move |_| _ = count.fetch_add(1, Ordering::Relaxed))
        .build();
    let mut peak = 0;
    for _ in 0..2_000 {
        retire(&collector.pin(), 1);
        peak = peak.max(collector.stats().unreclaimed);
    }
    assert!(peak <= 64, "{peak} nodes");
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[test]
fn limits_count_bytes_too() {
    let calls = Arc::new(AtomicU64::new(0));
    let (soft, hard) = (calls.clone(), calls.clone());
    let collector = Collector::builder()
        .batch_len(16)
        .soft_limit(Limit::bytes(100 * BYTES), move |stats| {
            assert!(stats.unreclaimed_bytes >= 100 * BYTES);
            soft.fetch_add(1, Ordering::Relaxed);
        })
        .hard_limit(Limit::nodes(1 << 40).or_bytes(1_000 * BYTES), move |_| {
            hard.fetch_add(1_000, Ordering::Relaxed);
        })
        .build();
    behind_a_stalled_guard(&collector, "stalled", || {
        for _ in 0..500 {
            retire(&collector.pin(), 1);
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1, "the soft one");
        for _ in 0..1_000 {
            retire(&collector.pin(), 1);
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1_001, "and the hard one");
    });
}

/// A leased guard that stalls holds back little, but sweeps as part of retirements take their time to find that out.
#[test]
fn a_hard_limit_flushes_while_it_is_reached() {
    let collector = Collector::builder().batch_len(16).hard_limit(Limit::nodes(32), |_| {}).build();
    let mut peak = 0;
    for _ in 0..2_000 {
        retire(&collector.pin(), 1);
        peak = peak.max(collector.stats().unreclaimed);
    }
    assert!(peak <= 48, "{peak} nodes");
}

#[test]
fn a_callback_may_pin_retire_flush_and_panic() {
    let calls = Arc::new(AtomicU64::new(0));
    let own: Arc<OnceLock<WeakCollector>> = Arc::default();
    let (count, weak) = (calls.clone(), own.clone());
    let collector = Collector::builder()
        .batch_len(4)
        .soft_limit(Limit::nodes(100), move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            let collector = weak.get().unwrap().upgrade().unwrap();
            let guard = collector.pin();
            retire(&guard, 50);
            guard.flush();
            std::panic::resume_unwind(Box::new(()));
        })
        .build();
    own.set(collector.downgrade()).unwrap();
    for crossing in 1..=2 {
        behind_a_stalled_guard(&collector, "stalled", || {
            for _ in 0..400 {
                retire(&collector.pin(), 1);
            }
        });
        assert_eq!(calls.load(Ordering::Relaxed), crossing);
        collector.flush();
        assert_eq!(collector.stats().unreclaimed, 0);
    }
    let weak = collector.downgrade();
    assert!(weak.upgrade().is_some());
    drop(collector);
    assert!(weak.upgrade().is_none(), "the callback does not keep the collector");
}

#[test]
fn a_share_is_reclaimed_at_a_time_whoever_held_it_back() {
    let collector = Collector::new();
    behind_a_stalled_guard(&collector, "stalled", || {
        retire(&collector.pin(), 100);
        assert_eq!(collector.reclaim(40), 0);
        assert_eq!(collector.stats().unreclaimed, 100);
    });
    for (reclaimed, left) in [(40, 60), (40, 20), (20, 0), (0, 0)] {
        assert_eq!((collector.reclaim(40), collector.stats().unreclaimed), (reclaimed, left));
    }
    // In steps, behind one fence.
    retire(&collector.pin(), 50);
    let (fences, mut seen) = (collector.stats().barriers, Vec::new());
    let between = || {
        seen.push(collector.stats().unreclaimed);
        true
    };
    assert_eq!(collector.reclaim_while(40, 15, between), 40);
    assert_eq!((seen, collector.stats().barriers - fences), (vec![35, 20, 10], 1));
    // Only as far as it may; what is ready then goes without another fence.
    collector.flush();
    retire(&collector.pin(), 50);
    let fences = collector.stats().barriers;
    assert_eq!(collector.reclaim_while(50, 15, || false), 15);
    assert_eq!(collector.reclaim_while(30, 20, || true), 30);
    assert_eq!((collector.stats().unreclaimed, collector.stats().barriers - fences), (5, 1));
    collector.flush();
    // Of one's own as well.
    retire(&collector.pin(), 50);
    collector.reclaim(40);
    assert_eq!(collector.stats().unreclaimed, 10);
    let fences = collector.stats().barriers;
    collector.reclaim(40);
    collector.reclaim(40);
    assert_eq!((collector.stats().unreclaimed, collector.stats().barriers - fences), (0, 1));
}

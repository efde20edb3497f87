//! Other people's code that the store calls: listeners and wakers that panic, or that use the store they are called by.

#![cfg(not(stillpoint_loom))]

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use stillpoint_store::{
    At, Config, Eviction, EvictionPolicy, PressurePolicy, Stop, Store, StreamConfig,
    TransactionOptions,
};

const AT: At = At { space: 0, now_ms: 0 };

/// Runs `f` without the reports of the panics that are part of the test.
fn quietly(f: impl FnOnce()) {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or_default();
        if !text.contains("on purpose") {
            eprintln!("{panic}");
        }
    }));
    f();
}

#[test]
fn a_removal_listener_that_panics_leaves_no_key_behind() {
    quietly(|| {
        let store: Store = Store::new(Config::default());
        store.on_removal(|_| panic!("on purpose"));
        for n in 0..100u8 {
            store.set(AT, &[n], 0, b"value", Some(10)).unwrap();
        }
        assert_eq!(store.expire_due(10, 1_000), 100);
        assert!(store.is_empty(0));
    });
}

#[test]
fn a_removal_listener_that_writes_is_not_called_from_within_itself() {
    let eviction = Eviction { policy: EvictionPolicy::Lru, ..Eviction::default() };
    let config =
        Config { max_bytes: Some(100_000), eviction: eviction.clone(), ..Config::default() };
    let store: Store = Store::new(config);
    (0..500u32).for_each(|n| store.set(AT, &n.to_le_bytes(), 0, &[0; 100], None).unwrap());
    let (depth, deepest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (inside, most, weak) = (depth.clone(), deepest.clone(), store.clone());
    store.on_removal(move |removal| {
        let now = inside.fetch_add(1, Ordering::Relaxed) + 1;
        most.fetch_max(now, Ordering::Relaxed);
        assert!(now < 100, "on purpose: or the stack overflows");
        // Remembers what went, at the price of as much again.
        weak.set(At { space: 1, now_ms: 0 }, removal.key, 0, &[0; 200], None).unwrap();
        inside.fetch_sub(1, Ordering::Relaxed);
    });
    store.set_limit(Some(20_000), &eviction);
    store.set(AT, b"one more", 0, b"value", None).unwrap();
    assert_eq!((deepest.load(Ordering::Relaxed), depth.load(Ordering::Relaxed)), (1, 0));
}

#[test]
fn a_pressure_listener_that_writes_is_not_called_from_within_itself() {
    let config = Config {
        max_versions: 1,
        max_version_bytes: Some(0),
        on_pressure: PressurePolicy::Protect,
        ..Config::default()
    };
    let store: Store = Store::new(config);
    let (calls, inner) = (Arc::new(AtomicUsize::new(0)), store.clone());
    let called = calls.clone();
    store.on_pressure(move |_| {
        assert!(called.fetch_add(1, Ordering::Relaxed) < 100, "on purpose: or the stack overflows");
        inner.set(AT, b"key", 0, b"written by the listener", None).unwrap();
    });
    store.set(AT, b"key", 0, b"value", None).unwrap();
    let _snapshot = store.snapshot(0);
    store.set(AT, b"key", 0, b"newer", None).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// Counts, and panics if it is told to.
struct Bell {
    rung: AtomicUsize,
    panics: bool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::Relaxed);
        assert!(!self.panics, "on purpose");
    }
}

fn bell(panics: bool) -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell { rung: AtomicUsize::new(0), panics });
    (bell.clone(), bell.into())
}

/// A writer that came upon a waker that panicked woke nobody after it, and counted nothing.
#[test]
fn a_waker_that_panics_keeps_nobody_else_asleep() {
    quietly(|| {
        let store: Store = Store::new(Config::default());
        let wait = async || {
            let options = TransactionOptions::at(0);
            store
                .transaction_async(options, |tx| match tx.get(0, b"key")? {
                    None => tx.retry(),
                    Some(value) => Ok::<_, Stop>(value),
                })
                .await
        };
        let ((bad, bad_waker), (good, good_waker)) = (bell(true), bell(false));
        let (mut first, mut second) = (pin!(wait()), pin!(wait()));
        assert!(first.as_mut().poll(&mut Context::from_waker(&bad_waker)).is_pending());
        assert!(second.as_mut().poll(&mut Context::from_waker(&good_waker)).is_pending());
        store.set(AT, b"key", 0, b"value", None).unwrap();
        assert_eq!((bad.rung.load(Ordering::Relaxed), good.rung.load(Ordering::Relaxed)), (1, 1));
        assert_eq!(store.len(0), 1);
        for mut task in [first, second] {
            let ended = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(ended, Poll::Ready(Ok(b"value".to_vec())));
        }
    });
}

#[test]
fn a_feeds_waker_that_panics_keeps_no_other_feed_asleep() {
    use futures_core::Stream;
    use std::pin::Pin;
    quietly(|| {
        let config = Config { stream: Some(StreamConfig::default()), ..Config::default() };
        let store: Store = Store::new(config);
        let ((_, bad), (good, waker)) = (bell(true), bell(false));
        let mut feeds = [(); 2].map(|()| store.watch_all().unwrap().from_now());
        for (feed, waker) in feeds.iter_mut().zip([&bad, &waker]) {
            assert!(Pin::new(feed).poll_next(&mut Context::from_waker(waker)).is_pending());
        }
        store.set(AT, b"key", 0, b"value", None).unwrap();
        assert_eq!((good.rung.load(Ordering::Relaxed), store.len(0)), (1, 1));
    });
}

/// The waker of a feed that had gone stayed where it was until the next write.
#[test]
fn a_feed_that_goes_takes_its_waker_along() {
    use futures_core::Stream;
    use std::pin::Pin;
    let config = Config { stream: Some(StreamConfig::default()), ..Config::default() };
    let store: Store = Store::new(config);
    let (shared, both) = bell(false);
    let mut stays = store.watch_all().unwrap().from_now();
    assert!(Pin::new(&mut stays).poll_next(&mut Context::from_waker(&both)).is_pending());
    for _ in 0..10 {
        let (bell, waker) = bell(false);
        let mut feed = store.watch_all().unwrap().from_now();
        for waker in [&waker, &both, &waker] {
            assert!(Pin::new(&mut feed).poll_next(&mut Context::from_waker(waker)).is_pending());
        }
        drop((feed, waker));
        assert_eq!(Arc::strong_count(&bell), 1, "its task is kept for nothing");
    }
    // Of two feeds with one waker the other one still has it.
    store.set(AT, b"key", 0, b"value", None).unwrap();
    assert_eq!(shared.rung.load(Ordering::Relaxed), 1);
}

//! A job that sums events by windows, exactly once, however often it is killed.
//!
//! ```text
//!  event/…  ──feed──▶  job  ──one transaction a batch──▶  tumbling/<sensor>/<start>  sliding/<sensor>/<start>  job/position
//! ```
//! The events, the sums and the position up to which the events are in the sums are in one store. A batch of the feed is whole, so its timestamp
//! is a position; the transaction that adds a batch moves the position from where the job believes it is. So a batch is in the sums if and only if
//! the position says so, and of two jobs that run at once by mistake one finds the position moved.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use stillpoint_store::{
    Batch, Entry, Stop, Store, Transaction, TransactionError, TransactionOptions, abort,
};

/// What the keys of events begin with.
pub(crate) const EVENTS: &[u8] = b"event/";
const POSITION: &[u8] = b"job/position";
const SPACE: u8 = 0;

/// Windows side by side, and windows that overlap, in milliseconds of the events' own time.
const TUMBLING_MS: u64 = 1_000;
const SLIDING_MS: u64 = 5_000;
const SLIDE_MS: u64 = 1_000;

/// A measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) sensor: u8,
    pub(crate) time_ms: u64,
    pub(crate) amount: i64,
}

impl Event {
    pub(crate) fn encode(self) -> String {
        format!("{} {} {}", self.sensor, self.time_ms, self.amount)
    }

    fn decode(value: &[u8]) -> Option<Event> {
        let mut words = str::from_utf8(value).ok()?.split(' ');
        let sensor = words.next()?.parse().ok()?;
        let time_ms = words.next()?.parse().ok()?;
        Some(Event { sensor, time_ms, amount: words.next()?.parse().ok()? })
    }

    /// The keys of the windows that it is in.
    pub(crate) fn windows(self) -> Vec<String> {
        let Event { sensor, time_ms, .. } = self;
        let latest = time_ms / SLIDE_MS;
        let earliest = (time_ms + SLIDE_MS).saturating_sub(SLIDING_MS) / SLIDE_MS;
        let sliding = (earliest..=latest).map(|n| format!("sliding/{sensor}/{}", n * SLIDE_MS));
        let start = time_ms / TUMBLING_MS * TUMBLING_MS;
        sliding.chain([format!("tumbling/{sensor}/{start}")]).collect()
    }
}

/// The sums of events by window.
pub(crate) fn sums(events: impl IntoIterator<Item = Event>) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for event in events {
        for window in event.windows() {
            *sums.entry(window).or_default() += event.amount;
        }
    }
    sums
}

/// Why a job ended early.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It was killed.
    Killed,
    /// Another job has moved the position.
    Superseded,
    /// The store refused.
    Failed(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Killed => f.write_str("killed"),
            Ended::Superseded => f.write_str("another job has moved the position"),
            Ended::Failed(error) => f.write_str(error),
        }
    }
}

impl From<TransactionError<()>> for Ended {
    fn from(error: TransactionError<()>) -> Self {
        match error {
            TransactionError::Aborted(()) => Ended::Superseded,
            other => Ended::Failed(format!("{other:?}")),
        }
    }
}

/// Runs the job until everything up to the timestamp that `until` gives, once it gives one, is in the sums. `step` is asked again and again, and may
/// kill it.
pub(crate) fn run(
    store: &Store,
    until: impl Fn() -> Option<u64>,
    mut step: impl FnMut() -> Result<(), Ended>,
) -> Result<(), Ended> {
    let mut position = match position(store) {
        Some(position) => position,
        None => recompute(store, None)?,
    };
    let watch = store.watch(SPACE, EVENTS).map_err(|error| Ended::Failed(error.to_string()))?;
    let mut feed = watch.from(position);
    loop {
        step()?;
        match feed.next_timeout(Duration::from_millis(5)) {
            Ok(Some(batch)) => {
                step()?;
                add(store, position, &batch)?;
                step()?;
                position = batch.timestamp();
            }
            Ok(None) if until().is_some_and(|end| feed.through() >= end) => return Ok(()),
            Ok(None) => {}
            Err(_lagged) => {
                position = recompute(store, Some(position))?;
                feed.restart(position);
            }
        }
    }
}

fn position(store: &Store) -> Option<u64> {
    let number = |entry: Option<Entry<'_, ()>>| number(entry?.bytes());
    store.snapshot(0).get_with(SPACE, POSITION, number).ok().flatten()
}

fn number(bytes: Option<&[u8]>) -> Option<u64> {
    str::from_utf8(bytes?).ok()?.parse().ok()
}

/// Moves the position, if it is where it is believed to be.
fn advance(tx: &mut Transaction, from: Option<u64>, to: u64) -> Result<(), Stop<()>> {
    if number(tx.get(SPACE, POSITION)?.as_deref()) != from {
        return abort(());
    }
    tx.set(SPACE, POSITION, 0, to.to_string().as_bytes(), None);
    Ok(())
}

/// Adds a batch to the sums, and moves the position past it.
fn add(store: &Store, from: u64, batch: &Batch) -> Result<(), Ended> {
    let events = || batch.changes().filter_map(|change| Event::decode(change.value_bytes()?));
    store.transaction(TransactionOptions::at(0), |tx| {
        advance(tx, Some(from), batch.timestamp())?;
        for event in events() {
            for window in event.windows() {
                tx.add(SPACE, window.as_bytes(), 0, event.amount);
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// Computes all sums from the events of a snapshot, and puts the position there: at the start, and when the feed was too slow.
fn recompute(store: &Store, from: Option<u64>) -> Result<u64, Ended> {
    let snapshot = store.snapshot(0);
    let mut events = Vec::new();
    let mut cursor = 0;
    loop {
        let see = |entry: Entry<'_, ()>| {
            if entry.key().starts_with(EVENTS) {
                events.extend(entry.bytes().and_then(Event::decode));
            }
        };
        let step = snapshot.scan(SPACE, cursor, 1000, see);
        cursor = step.map_err(|error| Ended::Failed(error.to_string()))?;
        if cursor == 0 {
            break;
        }
    }
    let sums = sums(events);
    store.transaction(TransactionOptions::at(0), |tx| {
        advance(tx, from, snapshot.timestamp())?;
        for (window, sum) in &sums {
            tx.set(SPACE, window.as_bytes(), 0, sum.to_string().as_bytes(), None);
        }
        Ok(())
    })?;
    Ok(snapshot.timestamp())
}

//! The thread that brings what is committed into the log, and tells writers when it is there.
//!
//! ```text
//!  store ─ groups of one timestamp ─▶ frames ─▶ system ─▶ device
//!                                                 │          └ acknowledged: group, always
//!                                                 └ acknowledged: buffered
//! ```
//! # Invariants
//! 1. What is acknowledged up to a timestamp has everything before it acknowledged: groups are taken, written and synced in their order.
//! 2. The first error ends the log: writers that wait are told, new writes are refused, reads go on. An error of a sync is never tried again,
//!    since the system may have dropped what it could not write. Opening anew finds what there is.

use crate::codec::Codec;
use crate::desk::{Desk, Orders};
use crate::log::Log;
use crate::options::Durability;
use crate::record::{Record, RecordValue};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stillpoint_primitive::background;
use stillpoint_primitive::sync::thread;
use stillpoint_store::{Change, CommitStream, Value};

/// How long the thread sleeps when nothing comes; orders are seen after that at the latest.
const IDLE: Duration = Duration::from_millis(10);
/// How long it lets changes gather when nobody waits for it.
const GATHER: Duration = Duration::from_millis(2);
/// Turns given to other writers before the device is asked.
const COMPANION_TURNS: u32 = 8;
/// In the buffered mode the device is asked so often.
const BUFFERED_SYNC: Duration = Duration::from_secs(1);

pub(crate) struct Logger<O: Send + Sync + 'static> {
    pub(crate) stream: CommitStream<O>,
    pub(crate) log: Log,
    pub(crate) codec: Arc<dyn Codec<O>>,
    pub(crate) durability: Durability,
    pub(crate) desk: Arc<Desk>,
    /// Everything up to here was taken.
    pub(crate) through: u64,
    pub(crate) last_sync: Instant,
    pub(crate) scratch: Vec<u8>,
    pub(crate) has_ended: bool,
}

impl<O: Send + Sync + 'static> Logger<O> {
    /// Says where it stands, before anybody asks.
    pub(crate) fn greet(&self) {
        self.report(&Orders::default());
    }

    /// Until it is told to stop, the store ends, or something fails.
    pub(crate) fn run(mut self) {
        let result = loop {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => break self.last_turn(),
                Err(error) => break Err(error),
            }
        };
        self.end(result.err());
    }

    fn end(&mut self, error: Option<io::Error>) {
        self.has_ended = true;
        // Before those who wait are told, so that they find the reason.
        self.desk.end(error);
        self.stream.fail();
    }

    /// Takes what there is and does what it must. Whether there will be more.
    fn turn(&mut self) -> io::Result<bool> {
        let orders = self.desk.orders();
        let gathering = self.gathering_time();
        if !gathering.is_zero() {
            background::pause(gathering);
        }
        let mut ended = self.take(if self.log.is_synced() { IDLE } else { Duration::ZERO })?;
        if self.durability != Durability::Buffered && self.wants_sync() {
            ended |= self.take_companions()?;
        }
        let is_ordered = orders.sync_through.is_some_and(|timestamp| timestamp <= self.through);
        if self.wants_sync() || is_ordered || orders.rotate {
            self.log.sync()?;
            self.last_sync = Instant::now();
        } else if !matches!(self.durability, Durability::Group { .. }) {
            self.log.flush()?;
        }
        if orders.rotate {
            self.log.rotate()?;
        }
        self.report(&orders);
        Ok(!(ended || orders.stop))
    }

    /// Closes the gate to writers, and the log behind what had come in.
    fn last_turn(&mut self) -> io::Result<()> {
        self.stream.fail();
        loop {
            let before = self.log.position();
            let ended = self.take(Duration::ZERO)?;
            if ended || self.log.position() == before {
                break;
            }
        }
        self.log.sync()?;
        self.report(&self.desk.orders());
        self.log.close()
    }

    /// How long to wait so that more comes together.
    fn gathering_time(&self) -> Duration {
        match self.durability {
            Durability::None => GATHER,
            Durability::Group { every } if !self.log.is_synced() => {
                every.saturating_sub(self.last_sync.elapsed()).min(IDLE)
            }
            _ => Duration::ZERO,
        }
    }

    /// Whether the device is to be asked now.
    fn wants_sync(&self) -> bool {
        let since = self.last_sync.elapsed();
        !self.log.is_synced()
            && match self.durability {
                Durability::None => false,
                Durability::Buffered => since >= BUFFERED_SYNC,
                Durability::Group { every } => since >= every,
                Durability::Always => true,
            }
    }

    /// Lets those come along who were released together a moment ago: one more request to the device would cost them far more than a turn on a
    /// processor. Whether the store has ended.
    fn take_companions(&mut self) -> io::Result<bool> {
        for _ in 0..COMPANION_TURNS {
            let before = self.log.position();
            if self.log.is_synced() {
                break;
            }
            thread::yield_now();
            if self.take(Duration::ZERO)? {
                return Ok(true);
            }
            if self.log.position() == before {
                break;
            }
        }
        Ok(false)
    }

    /// Takes groups into the log; whether the store has ended.
    fn take(&mut self, patience: Duration) -> io::Result<bool> {
        let groups = self.stream.next_groups(patience);
        for group in &groups.groups {
            self.log.begin_group(group.timestamp());
            for change in group.changes() {
                self.record(change);
            }
            self.log.end_group()?;
        }
        self.through = self.through.max(groups.through);
        Ok(groups.ended)
    }

    fn record(&mut self, change: Change<'_, O>) {
        self.scratch.clear();
        let value = encoded(change.value(), change.kind(), &*self.codec, &mut self.scratch);
        let record = Record {
            space: change.space(),
            kind: change.kind(),
            key: change.key(),
            expire_at_ms: change.expire_at_ms(),
            value,
        };
        self.log.record(&record);
    }

    /// Tells what is safe.
    fn report(&self, orders: &Orders) {
        let is_synced = self.log.is_synced();
        if is_synced || matches!(self.durability, Durability::None | Durability::Buffered) {
            self.stream.acknowledge(self.through);
        }
        self.desk.report(
            orders,
            self.log.number(),
            self.log.position(),
            is_synced.then_some(self.through),
        );
    }
}

impl<O: Send + Sync + 'static> Drop for Logger<O> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end(Some(io::Error::other("the log's thread has panicked")));
        }
    }
}

/// A value as it stands in files; objects are written into `scratch`.
pub(crate) fn encoded<'a, O: 'static>(
    value: Option<Value<'a, O>>,
    kind: u8,
    codec: &dyn Codec<O>,
    scratch: &'a mut Vec<u8>,
) -> RecordValue<'a> {
    match value {
        None => RecordValue::Removed,
        Some(Value::Bytes(bytes)) => RecordValue::Bytes(bytes),
        Some(Value::Object(object)) => {
            codec.encode(kind, object, scratch);
            RecordValue::Object(scratch)
        }
    }
}

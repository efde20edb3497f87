//! [`CommitStream`]: the consumer that misses nothing, for a log; and what writers ask it.

use super::group::Groups;
use super::{Stream, lock};
use crate::Store;
use crate::engine::Engine;
use crate::error::{StreamOff, WriteError};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Bytes of groups that are handed out at once (but at least one group).
const MOST_BYTES: usize = 4 << 20;

/// Every change that the store commits from a moment on, none missed, none twice, in groups of one timestamp; made by
/// [`Store::commit_stream`].
///
/// It does not keep the store alive. While it has more than [`StreamConfig::budget_bytes`](crate::StreamConfig::budget_bytes) to read, writers
/// wait; so whoever has one reads it, or drops it.
pub struct CommitStream<O: Send + Sync + 'static = ()> {
    stream: Arc<Stream<O>>,
    engine: Weak<Engine<O>>,
    number: u64,
    next: u64,
}

impl<O: Send + Sync + 'static> CommitStream<O> {
    /// All changes with a timestamp from this one on are still to come. A snapshot taken after the stream has a timestamp that is not below
    /// `position() - 1`, so it and the changes after it have no gap between them.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// The next groups; waits up to `timeout` for them. What is returned is as good as read: it does not come again.
    ///
    /// # Progress
    /// Blocking, up to `timeout`; and as long as a writer is stopped between the install and the publication of its write.
    pub fn next_groups(&mut self, timeout: Duration) -> Groups<O> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let round = self.stream.published.listen();
            let groups = self.read();
            if !groups.groups.is_empty()
                || groups.ended
                || deadline.is_some_and(|deadline| deadline <= Instant::now())
            {
                return groups;
            }
            self.stream.published.wait(round, deadline);
        }
    }

    fn read(&mut self) -> Groups<O> {
        let closed = self.stream.is_closed();
        self.stream.pump_by(&self.engine, closed);
        let mut ring = lock(&self.stream.ring);
        let (groups, through) = ring.read(self.next, MOST_BYTES);
        self.next = self.next.max(through.saturating_add(1));
        ring.advance(self.number, self.next);
        ring.trim();
        self.stream.set_gate(&ring);
        let ended = closed && self.next >= ring.low;
        let gone = ring.take_gone();
        drop(ring);
        drop(gone);
        Groups { groups, through, ended }
    }

    /// Tells writers that every change up to `timestamp` is safe: see [`Store::wait_acknowledged`].
    pub fn acknowledge(&self, timestamp: u64) {
        self.stream.acknowledge(timestamp);
    }

    /// Whether from now on every write returns only when what it wrote, or what it saw when it wrote nothing, is acknowledged. Reads never wait,
    /// and neither does what the store does by itself, such as removing what has expired.
    pub fn hold_writers(&self, on: bool) {
        self.stream.set_holds(on);
    }

    /// Tells writers that the log has failed: from now on writes are refused, and nobody waits for an acknowledgement any more.
    pub fn fail(&self) {
        self.stream.fail();
    }
}

impl<O: Send + Sync + 'static> Drop for CommitStream<O> {
    fn drop(&mut self) {
        let mut ring = lock(&self.stream.ring);
        ring.remove_lossless(self.number);
        ring.trim();
        self.stream.set_gate(&ring);
        let gone = ring.take_gone();
        drop(ring);
        drop(gone);
    }
}

impl<O: Send + Sync + 'static> Store<O> {
    fn stream(&self) -> Result<&Arc<Stream<O>>, StreamOff> {
        self.engine.stream.as_ref().map(|stream| &stream.0).ok_or(StreamOff)
    }

    /// Every change that is committed from now on, for a consumer that must not miss any.
    ///
    /// # Errors
    /// The store was made without [`Config::stream`](crate::Config::stream).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use stillpoint_store::{At, Config, Store, StreamConfig};
    ///
    /// let store: Store = Store::new(Config { stream: Some(StreamConfig::default()), ..Config::default() });
    /// let mut stream = store.commit_stream()?;
    /// let at = At { space: 0, now_ms: 0 };
    /// store.set(at, b"key", 0, b"value", None)?;
    ///
    /// let groups = stream.next_groups(Duration::from_secs(1));
    /// let change = groups.groups[0].changes().next().unwrap();
    /// assert_eq!((change.key(), change.value_bytes()), (&b"key"[..], Some(&b"value"[..])));
    /// stream.acknowledge(groups.through);
    /// store.wait_acknowledged(store.last_commit()?, None)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn commit_stream(&self) -> Result<CommitStream<O>, StreamOff> {
        let stream = Arc::clone(self.stream()?);
        stream.pump(Some(&self.engine.clock));
        let (number, next) = lock(&stream.ring).add_lossless();
        Ok(CommitStream { stream, engine: Arc::downgrade(&self.engine), number, next })
    }

    /// A timestamp that is not earlier than that of the calling thread's latest commit in this store.
    ///
    /// # Errors
    /// The store was made without [`Config::stream`](crate::Config::stream).
    pub fn last_commit(&self) -> Result<u64, StreamOff> {
        Ok(self.stream()?.last_commit(&self.engine.clock))
    }

    /// The timestamp up to which the log has acknowledged everything; 0 if there is no stream.
    pub fn acknowledged(&self) -> u64 {
        self.stream().map_or(0, |stream| stream.acknowledged())
    }

    /// Waits until the log has acknowledged every change up to `timestamp`. Whether it has within `timeout` (`None`: however long it takes).
    ///
    /// # Progress
    /// Blocking.
    ///
    /// # Errors
    /// The log has failed.
    pub fn wait_acknowledged(
        &self,
        timestamp: u64,
        timeout: Option<Duration>,
    ) -> Result<bool, WriteError> {
        let Ok(stream) = self.stream() else { return Ok(false) };
        stream.wait_acknowledged(
            timestamp,
            timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        )
    }
}

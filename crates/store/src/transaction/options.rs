//! [`TransactionOptions`] and [`Isolation`]: how a transaction runs.

use std::time::Duration;

/// What a transaction is safe against. Under both levels all reads of one attempt are of one moment, also in an attempt that will fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Isolation {
    /// As if transactions ran one after the other, in an order that agrees with real time. Every key that was read is validated.
    #[default]
    Serializable,
    /// Snapshot isolation: of two transactions that write one key only one commits (the first), and so do those that read it for update; other
    /// reads are not validated, so write skew is possible.
    Snapshot,
}

/// How a transaction runs: when, how isolated, and how long it is tried.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use stillpoint_store::{Isolation, TransactionOptions};
///
/// let options = TransactionOptions::at(1_000)
///     .isolation(Isolation::Snapshot)
///     .attempts(10)
///     .deadline(Duration::from_millis(50));
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TransactionOptions {
    pub(crate) now_ms: u64,
    pub(crate) isolation: Isolation,
    pub(crate) attempts: Option<u32>,
    pub(crate) deadline: Option<Duration>,
}

impl TransactionOptions {
    /// A serialisable transaction by this wall clock, tried until it commits. A later attempt judges expiry by `now_ms` and the time that has
    /// passed since the first.
    pub fn at(now_ms: u64) -> Self {
        TransactionOptions {
            now_ms,
            isolation: Isolation::Serializable,
            attempts: None,
            deadline: None,
        }
    }

    /// Sets the isolation level.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Sets how many attempts may fail (at least one is made). One that waits for a change has not failed.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts.max(1));
        self
    }

    /// Sets how long it may take. The time is looked at between attempts and while it waits: what a closure does is not cut short.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

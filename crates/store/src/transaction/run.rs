//! Running a closure as a transaction, again until it commits.
//!
//! ```text
//!  attempt ─▶ closure ─┬─ result ─▶ commit ─┬─ done
//!     ▲                │                    └─ conflict ─▶ back off ─┐
//!     │                ├─ abort: rolled back, done                   │
//!     ├──── woken ◀────┼─ retry: sleeps until what it read changes   │
//!     │                └─ rerun, snapshot ended ─────────────────────┤
//!     └────────── not out of attempts, not past the deadline ◀───────┘
//! ```
//! # Progress
//! Every attempt that fails does so because another commit succeeded (or killed it for standing in the way). From the fourth attempt on the
//! transaction asks for priority, so that it is not killed any more; it may still lose to those who change what it read.

use crate::Store;
use crate::error::{CommitError, TransactionError};
use crate::transaction::backoff::Backoff;
use crate::transaction::retry::Wait;
use crate::transaction::{Isolation, Stop, Transaction, TransactionOptions};
use crate::waiters::Ticket;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Aborts after which a transaction asks for priority.
const PATIENCE: u32 = 3;

impl<O: Send + Sync + 'static> Store<O> {
    /// Begins a serialisable transaction.
    pub fn begin(&self, now_ms: u64) -> Transaction<O> {
        Transaction::begin(Arc::clone(&self.engine), now_ms, Isolation::Serializable)
    }

    /// Begins a transaction. Attempts and deadline are for [`transaction`](Store::transaction), they mean nothing here.
    pub fn begin_with(&self, options: TransactionOptions) -> Transaction<O> {
        Transaction::begin(Arc::clone(&self.engine), options.now_ms, options.isolation)
    }

    /// Runs `f` as a transaction. **`f` may run more than once**: whenever a commit meets a conflict it is run again, on a newer snapshot, after
    /// a pause of random, growing length. So it should do nothing but read and write through the transaction that it is given;
    /// [`Transaction::on_commit`] is for the rest. All that it reads in one run is of one moment.
    ///
    /// An `Err` of `f` rolls back: [`abort`](crate::abort) to give up and hand an error to the caller, [`Transaction::retry`] to wait until
    /// something that was read has changed, [`Stop::Rerun`] to begin again.
    ///
    /// # Progress
    /// Lock-free as a system: each failed attempt means that another commit succeeded. Blocking where `f` retries.
    ///
    /// # Errors
    /// What `f` aborted with; attempts or time used up; a write that no attempt could do. Nothing was applied, but for what
    /// [`WriteError::LogFailed`](crate::WriteError::LogFailed) says.
    ///
    /// # Panics
    /// If `f` does; nothing was applied.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_store::{At, Config, Stop, Store, TransactionOptions, abort};
    ///
    /// let store: Store = Store::new(Config::default());
    /// store.set(At { space: 0, now_ms: 1 }, b"anna", 0, b"100", None)?;
    /// let transfer = |amount: i64| {
    ///     store.transaction(TransactionOptions::at(1), |tx| {
    ///         let text = tx.get(0, b"anna")?.unwrap_or_default();
    ///         let balance: i64 = String::from_utf8_lossy(&text).parse().unwrap_or(0);
    ///         if balance < amount {
    ///             return abort(format!("anna has only {balance}"));
    ///         }
    ///         tx.add(0, b"anna", 0, -amount);
    ///         tx.add(0, b"bert", 0, amount);
    ///         Ok(())
    ///     })
    /// };
    /// transfer(30)?;
    /// assert_eq!(transfer(80).unwrap_err().to_string(), "anna has only 70");
    ///
    /// // A closure without an error of its own says so at its end.
    /// let sum = store.transaction(TransactionOptions::at(1), |tx| {
    ///     Ok::<_, Stop>((tx.get(0, b"anna")?, tx.get(0, b"bert")?))
    /// })?;
    /// assert_eq!(sum, (Some(b"70".to_vec()), Some(b"30".to_vec())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transaction<R, E>(
        &self,
        options: TransactionOptions,
        mut f: impl FnMut(&mut Transaction<O>) -> Result<R, Stop<E>>,
    ) -> Result<R, TransactionError<E>> {
        let mut run = Run::new(options);
        loop {
            let mut transaction = run.attempt(self);
            match f(&mut transaction) {
                Ok(result) => match transaction.finish() {
                    Ok(()) => return Ok(result),
                    Err(error) => {
                        drop(transaction);
                        run.back_off(error)?;
                    }
                },
                Err(Stop::Abort(error)) => return Err(TransactionError::Aborted(error)),
                Err(Stop::Rerun(error)) => {
                    drop(transaction);
                    run.back_off(error)?;
                }
                Err(Stop::Retry) => match transaction.wait_for_change() {
                    Wait::Over => {}
                    Wait::Until(ticket) => run.sleep(&ticket)?,
                    Wait::ForEver => return Err(TransactionError::NothingToWaitFor),
                },
            }
        }
    }

    /// As [`transaction`](Store::transaction), for tasks: [`Transaction::retry`] suspends the task instead of the thread. `f` itself runs, and
    /// commits, in one poll. The deadline is looked at between attempts only; use the runtime's to end a wait.
    ///
    /// # Errors
    /// As [`transaction`](Store::transaction).
    pub async fn transaction_async<R, E>(
        &self,
        options: TransactionOptions,
        mut f: impl FnMut(&mut Transaction<O>) -> Result<R, Stop<E>>,
    ) -> Result<R, TransactionError<E>> {
        let mut run = Run::new(options);
        loop {
            let waits = {
                let mut transaction = run.attempt(self);
                match f(&mut transaction) {
                    Ok(result) => match transaction.finish() {
                        Ok(()) => return Ok(result),
                        Err(error) => run.failed(error).map(|_| None)?,
                    },
                    Err(Stop::Abort(error)) => return Err(TransactionError::Aborted(error)),
                    Err(Stop::Rerun(error)) => run.failed(error).map(|_| None)?,
                    Err(Stop::Retry) => match transaction.wait_for_change() {
                        Wait::Over => None,
                        Wait::Until(ticket) => Some(ticket),
                        Wait::ForEver => return Err(TransactionError::NothingToWaitFor),
                    },
                }
            };
            match waits {
                Some(ticket) => {
                    run.start_clock();
                    poll_fn(|context| ticket.poll(context)).await;
                    run.time_left()?;
                }
                // Whoever was faster may have to run on this very thread.
                None => yield_once().await,
            }
        }
    }
}

async fn yield_once() {
    let mut was_polled = false;
    poll_fn(|context| match std::mem::replace(&mut was_polled, true) {
        true => Poll::Ready(()),
        false => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// The attempts of one transaction.
struct Run {
    options: TransactionOptions,
    started: Option<Instant>,
    attempts: u32,
    aborts: u32,
    backoff: Backoff,
}

impl Run {
    fn new(options: TransactionOptions) -> Self {
        // A clock costs more than a small transaction: without a deadline it is looked at after the first conflict only.
        let started = options.deadline.map(|_| Instant::now());
        Run { options, started, attempts: 0, aborts: 0, backoff: Backoff::new(options.now_ms) }
    }

    #[inline]
    fn attempt<O: Send + Sync + 'static>(&mut self, store: &Store<O>) -> Transaction<O> {
        let passed = self.started.map_or(0, |started| started.elapsed().as_millis());
        self.attempts = self.attempts.saturating_add(1);
        let mut options = self.options;
        let passed_ms = u64::try_from(passed).unwrap_or(u64::MAX);
        options.now_ms = options.now_ms.saturating_add(passed_ms);
        let mut transaction = store.begin_with(options);
        if self.aborts >= PATIENCE {
            transaction.request_priority();
        }
        transaction
    }

    /// An attempt failed: backs off, unless that was the last.
    fn back_off<E>(&mut self, error: CommitError) -> Result<(), TransactionError<E>> {
        let left = self.failed(error)?;
        self.backoff.wait(self.aborts, left);
        Ok(())
    }

    /// An attempt failed: how much time is left for others, unless that was the last.
    fn failed<E>(&mut self, error: CommitError) -> Result<Option<Duration>, TransactionError<E>> {
        if matches!(error, CommitError::Write(_) | CommitError::Merge { .. }) {
            return Err(TransactionError::Failed(error));
        }
        self.aborts = self.aborts.saturating_add(1);
        let attempts = self.attempts;
        if self.options.attempts.is_some_and(|most| self.aborts >= most) {
            return Err(match error {
                CommitError::Conflict { key } => TransactionError::Conflict { key, attempts },
                error => TransactionError::Failed(error),
            });
        }
        self.start_clock();
        self.time_left()
    }

    fn start_clock(&mut self) -> Instant {
        *self.started.get_or_insert_with(Instant::now)
    }

    /// The time until the deadline, if there is one.
    fn time_left<E>(&self) -> Result<Option<Duration>, TransactionError<E>> {
        let passed = self.started.map_or(Duration::ZERO, |started| started.elapsed());
        let left = self.options.deadline.map(|all| all.saturating_sub(passed));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(TransactionError::TimedOut { attempts: self.attempts });
        }
        Ok(left)
    }

    /// Sleeps until something that was read has changed.
    fn sleep<O: Send + Sync + 'static, E>(
        &mut self,
        ticket: &Ticket<O>,
    ) -> Result<(), TransactionError<E>> {
        let started = self.start_clock();
        // A deadline beyond all clocks is none.
        let deadline = self.options.deadline.and_then(|all| started.checked_add(all));
        if ticket.sleep(deadline) {
            return Ok(());
        }
        Err(TransactionError::TimedOut { attempts: self.attempts })
    }
}

//! [`Stop`]: how the closure of a transaction ends early.

use crate::error::{CommitError, SnapshotExpired};
use std::convert::Infallible;

/// Why the closure of a transaction ends without a result: the error side of what it returns.
///
/// `E` is the program's own error. A closure that has none may end in `Ok::<_, Stop>(result)`, so that its type is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop<E = Infallible> {
    /// The transaction is rolled back, and its caller gets this.
    Abort(E),
    /// This attempt is given up, and the next one begins when something that it read has changed: see
    /// [`Transaction::retry`](crate::Transaction::retry).
    Retry,
    /// This attempt is given up for this reason, and the next one begins at once.
    Rerun(CommitError),
}

/// Rolls the transaction back and returns `error` to its caller: `return abort(error);`.
///
/// # Errors
/// Always.
pub fn abort<R, E>(error: E) -> Result<R, Stop<E>> {
    Err(Stop::Abort(error))
}

impl<E> From<SnapshotExpired> for Stop<E> {
    fn from(_: SnapshotExpired) -> Self {
        Stop::Rerun(CommitError::SnapshotExpired)
    }
}

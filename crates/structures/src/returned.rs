//! [`Returned`]: a value that was not put in.

use std::fmt;

/// The guard has come to the end of what it may hold (see [`Scheme::is_capped`](stillpoint_reclaim::Scheme::is_capped)) before the
/// value was in; here it is again. Only a collector with a cap ever says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned<T>(pub T);

impl<T> fmt::Display for Returned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the guard has reached its cap; the value was not put in")
    }
}

impl<T: fmt::Debug> std::error::Error for Returned<T> {}

//! [`Failure`]: why a history is refused, as a person wants to read it.

use super::history::Call;
use std::fmt;

/// A history was not found linearizable.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Failure<E> {
    /// No order explains it.
    NotLinearizable(Box<Violation<E>>),
    /// There were too many orders to try.
    Undecided {
        /// How many configurations were entered.
        configurations: usize,
    },
}

/// Where every order fails.
#[derive(Clone, Debug)]
pub struct Violation<E> {
    /// The first call whose return nothing explains: the history up to this return is bad, without it is good.
    pub unexplained: Call<E>,
    /// Calls that overlap it.
    pub under_way: Vec<Call<E>>,
    /// The last calls that were over when it began, latest first.
    pub before: Vec<Call<E>>,
    /// States in which the object may have been when that call was to take effect.
    pub states: Vec<String>,
}

impl<E: fmt::Debug> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NotLinearizable(violation) => violation.fmt(f),
            Failure::Undecided { configurations } => {
                write!(
                    f,
                    "undecided after {configurations} configurations: record shorter histories"
                )
            }
        }
    }
}

impl<E: fmt::Debug> std::error::Error for Failure<E> {}

impl<E: fmt::Debug> fmt::Display for Violation<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "not linearizable: no order of the calls explains")?;
        line(f, &self.unexplained)?;
        writeln!(f, "  the object may have been, before it:")?;
        for state in &self.states {
            writeln!(f, "    {state}")?;
        }
        if !self.under_way.is_empty() {
            writeln!(f, "  under way with it:")?;
            self.under_way.iter().try_for_each(|call| line(f, call))?;
        }
        if !self.before.is_empty() {
            writeln!(f, "  over when it began, latest first:")?;
            self.before.iter().try_for_each(|call| line(f, call))?;
        }
        Ok(())
    }
}

fn line<E: fmt::Debug>(f: &mut fmt::Formatter<'_>, call: &Call<E>) -> fmt::Result {
    let Call { thread, began, returned, event } = call;
    writeln!(f, "    thread {thread}  {began:>6} .. {returned:<6}  {event:?}")
}

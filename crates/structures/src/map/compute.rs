//! [`Operation`] and [`Compute`]: what `compute` is told to do, and what it has done.

/// What to do with a key, as the closure of [`Pinned::compute`](super::Pinned::compute) decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<V, T> {
    /// Put this value there, whatever was there.
    Insert(V),
    /// Take the key out, if it is there.
    Remove,
    /// Leave everything as it is.
    Abort(T),
}

/// What `compute` has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compute<'g, K, V, T> {
    /// The key was not there, and has this value now.
    Inserted(&'g K, &'g V),
    /// The key had a value, and has another one now.
    Updated {
        /// Key and value before.
        old: (&'g K, &'g V),
        /// Key and value now.
        new: (&'g K, &'g V),
    },
    /// The key was there with this value, and is not any more.
    Removed(&'g K, &'g V),
    /// It was to be removed, and was not there.
    Absent,
    /// Nothing, as it was told.
    Aborted(T),
}

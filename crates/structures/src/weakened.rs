//! Deliberate weakenings of the structures over a scheme, for the model checks that must find them. Compiled only for models.

/// Which step to leave out.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weakened {
    /// The structure as it is.
    #[default]
    None,
    /// An unlinked node is freed instead of retired.
    FreeAtOnce,
    /// A pop leaves a cell that it found empty to its push, and goes on to the next.
    CellLeftOpen,
    /// A push says that its cell is full before it is.
    StampFirst,
    /// A sleeper does not look again between announcing itself and sleeping.
    SleepWithoutLooking,
}

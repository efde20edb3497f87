//! Deliberate weakenings of the list, for the model checks that must find them. Compiled only for models.

/// Which step to leave out.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mutation {
    /// The list as it is.
    #[default]
    None,
    /// A node is unlinked without being marked first.
    NoMark,
    /// An unlinked node is freed instead of retired.
    FreeAtOnce,
}

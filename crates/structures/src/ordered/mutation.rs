//! Deliberate weakenings of the ordered map, for the model checks that must find them. Compiled only for models.

/// Which step to leave out.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mutation {
    /// The map as it is.
    #[default]
    None,
    /// A writer that has taken a leaf's lock does not look again whether the leaf has changed.
    NoSecondLook,
    /// A leaf is copied without its lock.
    LeafNotLocked,
    /// A range from the back takes what a leaf has got below the range that it had on the way there.
    LowerEndNotCut,
    /// A replaced value is freed instead of retired.
    FreeAtOnce,
}

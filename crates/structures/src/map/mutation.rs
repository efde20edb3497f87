//! Deliberate weakenings of the map, for the model checks that must find them. Compiled only for models.

/// Which step to leave out.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mutation {
    /// The map as it is.
    #[default]
    None,
    /// A bin is moved without its slots being frozen.
    NoSlotFreeze,
    /// An insert does not look again when the bin's header has changed.
    NoHeaderCheck,
    /// A replaced entry is freed instead of retired.
    FreeAtOnce,
}

//! Deliberate weakenings of the protocol, for the model checks that must find them. Compiled only for models.

/// Which step to leave out.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mutation {
    /// The protocol as it is.
    #[default]
    None,
    /// A leaf is copied without freezing its values.
    ValuesNotFrozen,
    /// A child is taken without looking at its parent's order again.
    NoSecondLook,
    /// An order is replaced whether it is frozen or not.
    FrozenOrderReplaced,
}

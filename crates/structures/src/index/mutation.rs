//! Deliberate weakenings of the protocol, for the model checks that must find them. Compiled only for models.

/// Which step to leave out.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mutation {
    /// The protocol as it is.
    #[default]
    None,
    /// A migrator freezes the header but not the slots.
    NoSlotFreeze,
    /// What a replace or remove expects of a slot that was found frozen has FROZEN in it, so that its CAS succeeds.
    FrozenExpected,
    /// An inserter sets its valid bit without noticing that the header changed since it looked for the key.
    NoHeaderCheck,
    /// A reader takes a tentative slot without looking at the header again.
    TentativeVisible,
    /// A batch retires its descriptor before it replaces the stamps.
    RetireBeforeSettling,
    /// A pruner unlinks a version without marking it first.
    NoMark,
}

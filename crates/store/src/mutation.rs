//! Weakenings of the protocol, one step left out each, for models that must fail.

/// Which step is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mutation {
    /// None.
    #[default]
    None,
    /// A writer loads the clock for its stamp before it installs.
    StampBeforeInstall,
    /// A reader passes an unset version by instead of stamping it.
    SkipUnset,
    /// A reader passes a prepared commit by instead of deciding it.
    SkipPrepared,
    /// A lease is not announced before its timestamp is taken.
    NoAnnouncement,
    /// A writer looks at the leases before it stamps.
    PruneBeforeStamp,
    /// A commit's verdict does not look at its reads.
    NoValidation,
    /// A writer announces itself to the stream only when it has installed and stamped.
    AnnounceAfterInstall,
    /// A removed key's tombstone is cut out, from under an aborted version, before what is older.
    TombstoneFirst,
    /// A key enters its ordered index after its first version was installed.
    EnterLate,
    /// A writer leaves the presence of its key before it installs.
    LeaveEarly,
    /// A transaction that waits does not look at what it read once more before it sleeps.
    SleepWithoutLooking,
}

//! [`Play`]: what a few processes do, and by which rules; [`Weakening`]: a rule left out.
//!
//! # Invariants
//! 1. Operations are numbered through all processes; a write's value is the number of its operation, so values tell writes apart.
//! 2. A process has one lease slot, its own; it holds at most one lease at a time.

/// What a process does as one operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Reads the latest value of a key.
    Get(u8),
    /// Reads keys at one timestamp, in this order.
    Snapshot(&'static [u8]),
    /// Sets a key.
    Write(u8),
    /// Sets a key, having looked at what it was.
    Update(u8),
    /// Removes a key.
    Remove(u8),
    /// Reads keys, then writes keys (ascending), all or nothing.
    Commit { reads: &'static [u8], writes: &'static [u8] },
    /// Reads keys, then removes keys (ascending), all or nothing.
    Erase { reads: &'static [u8], writes: &'static [u8] },
    /// Ends the lease of a process.
    Kill(u8),
    /// Cuts out of a key what no lease needs, as maintenance does.
    Tidy(u8),
    /// Loads the clock, then reads keys at that timestamp, unannounced.
    NaiveSnapshot(&'static [u8]),
    /// Loads the clock, then installs versions that bear it.
    NaiveWrite(&'static [u8]),
    /// Moves the clock.
    Tick,
}

impl Op {
    pub(crate) fn takes_lease(self) -> bool {
        matches!(self, Op::Snapshot(_) | Op::Commit { .. } | Op::Erase { .. })
    }

    /// Whether its writes are removals.
    pub(crate) fn removes(self) -> bool {
        matches!(self, Op::Remove(_) | Op::Erase { .. })
    }

    pub(crate) fn writes(&self) -> &[u8] {
        match self {
            Op::Write(key) | Op::Update(key) | Op::Remove(key) => std::slice::from_ref(key),
            Op::Commit { writes, .. } | Op::Erase { writes, .. } | Op::NaiveWrite(writes) => writes,
            _ => &[],
        }
    }
}

/// A rule of the protocol that is broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weakening {
    /// A commit's timestamp is taken before it is PREPARED.
    TimestampBeforePrepared,
    /// A commit's timestamp is loaded from the clock, so two commits may share one.
    SharedTimestamps,
    /// Taking a snapshot does not move the clock past it.
    SnapshotLeavesClock,
    /// Reads are not validated: snapshot isolation.
    NoValidation,
    /// GET passes PREPARED commits by instead of deciding them.
    GetPassesPrepared,
    /// GET answers by an unstamped version without stamping it.
    GetAnswersUnstamped,
    /// Validation passes a PREPARED commit by whose timestamp is not fixed.
    ValidatorPassesUnfixed,
    /// Validation passes committed versions by that are newer than the commit's timestamp.
    ValidatorPassesNewer,
    /// Validation looks at all reads but not at the lease that kept them.
    VerdictWithoutLease,
    /// A tombstone is removed though a lease from before what it superseded is alive.
    RemovalByInterval,
    /// A tombstone is removed without moving the clock past it.
    RemovalLeavesClock,
    /// A version is passed by first, its link loaded afterwards.
    StatusFirst,
    /// Writers look for leases before their version is stamped.
    LeasesBeforeStamp,
    /// A lease is published only when its timestamp is known: no PINNING.
    LeaseUnannounced,
    /// A chain is shortened from its aborted head down, the tombstone before what it removed.
    TombstoneFirst,
    /// A key enters the order after its first version was installed.
    EnterLate,
    /// A writer leaves its key's presence before it installs.
    LeaveEarly,
    /// Who enters does not look whether the presence is dead.
    EnterTheDead,
    /// A presence dies though somebody has come and gone since the look at the record.
    DieUnawares,
    /// A retractor that finds somebody counted leaves no word.
    RetractSilently,
    /// Validation walks intervals before the timestamp is fixed.
    WalkBeforeFixed,
    /// Validation looks only at those keys of an interval that were found there.
    PhantomsPass,
    /// A pending version is installed on whatever is there, also on what is newer than the read.
    InstallUnchecked,
    /// The lease is looked at before the reads are, not after.
    LeaseBeforeReads,
    /// Pruners pass leases by that are being taken.
    PrunerPassesPinning,
    /// A pruner that publishes a lease does not move the clock past it.
    PublishedWithoutPassing,
    /// An owner whose lease a pruner has published reads at the timestamp that it had in mind itself.
    OwnerIgnoresPublished,
}

/// Processes with their programs, and the rules they keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Play {
    pub(crate) name: &'static str,
    pub(crate) processes: &'static [&'static [Op]],
    /// Keys that do not exist at first.
    pub(crate) absent: &'static [u8],
    /// Nothing is cut out, to bound the search.
    pub(crate) keeps_all: bool,
    /// Snapshots and commits read by walking the order of the keys, and first versions come and go in it.
    pub(crate) in_order: bool,
    /// Pruners give leases that are being taken their timestamps, and taking one is a step more.
    pub(crate) is_helped: bool,
    pub(crate) weakening: Option<Weakening>,
    /// It takes long.
    pub(crate) is_large: bool,
}

impl Play {
    pub(crate) const fn new(name: &'static str, processes: &'static [&'static [Op]]) -> Self {
        Play {
            name,
            processes,
            absent: &[],
            keeps_all: false,
            in_order: false,
            is_helped: false,
            weakening: None,
            is_large: false,
        }
    }

    pub(crate) const fn absent(self, absent: &'static [u8]) -> Self {
        Play { absent, ..self }
    }

    pub(crate) const fn keeping_all(self) -> Self {
        Play { keeps_all: true, ..self }
    }

    pub(crate) const fn in_order(self) -> Self {
        Play { in_order: true, ..self }
    }

    pub(crate) const fn helped(self) -> Self {
        Play { is_helped: true, ..self }
    }

    pub(crate) const fn large(self) -> Self {
        Play { is_large: true, ..self }
    }

    pub(crate) const fn with(self, weakening: Weakening) -> Self {
        Play { weakening: Some(weakening), ..self }
    }

    /// The number of a process's operation among all.
    pub(crate) fn number(&self, process: usize, op: usize) -> usize {
        self.processes[..process].iter().map(|ops| ops.len()).sum::<usize>() + op
    }

    pub(crate) fn ops(&self) -> impl Iterator<Item = Op> {
        self.processes.iter().flat_map(|ops| ops.iter().copied())
    }
}

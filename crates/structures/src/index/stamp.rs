//! The stamp word of a version.
//!
//! ```text
//!  0                     UNSET: published, its writer has not yet given it a stamp
//!  1                     ABORTED: never happened
//!  bit 63 = 0, else      plain: opaque here (the store packs timestamp and sequence)
//!  bit 63 = 1            address of a descriptor D (48 bit): pending on its verdict
//! ```
//!
//! | from | to | by |
//! |---|---|---|
//! | UNSET | plain | anybody, once: `VersionRef::try_stamp` |
//! | descriptor | plain or ABORTED | only the `Batch` that published it |
//!
//! # Invariants
//! 1. A plain stamp and ABORTED are final.
//! 2. While a stamp names a descriptor, that descriptor is not retired: the batch replaces the stamps of *all* versions it published, linked or
//!    not, before it retires the descriptor. So a stamp word is like a root: a load whose lease ran out may renew in place and load again.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[stamp]` | a stamp set here (SeqCst) is seen by the SeqCst load in `VersionRef::stamp`; SeqCst because the store's clock handshake orders stamps against its clock |

pub(crate) const UNSET: u64 = 0;
pub(crate) const ABORTED: u64 = 1;
pub(crate) const PENDING: u64 = 1 << 63;
const ADDRESS: u64 = 0x0000_ffff_ffff_ffff;

/// A version's stamp, as read at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp<'g, D> {
    /// Published and not yet stamped. Whoever meets it may stamp it: [`VersionRef::try_stamp`](crate::VersionRef::try_stamp).
    Unset,
    /// Published by a batch that was given up. Final.
    Aborted,
    /// Stamped. Final.
    Plain(u64),
    /// Published by a batch that is still under way.
    Pending(&'g D),
}

/// Whether `plain` may be stored as a plain stamp.
#[inline]
pub(crate) const fn is_plain(plain: u64) -> bool {
    plain > ABORTED && plain & PENDING == 0
}

#[inline]
pub(crate) fn pending<D>(descriptor: *const D) -> u64 {
    let address = descriptor.expose_provenance() as u64;
    assert!(address & !ADDRESS == 0, "descriptor at {address:#x} does not fit a stamp");
    address | PENDING
}

/// The address of the descriptor in a pending word.
#[inline]
pub(crate) fn descriptor<D>(word: u64) -> *const D {
    std::ptr::with_exposed_provenance((word & ADDRESS) as usize)
}

/// What a word that is not pending says.
#[inline]
pub(crate) fn decided<'g, D>(word: u64) -> Stamp<'g, D> {
    match word {
        UNSET => Stamp::Unset,
        ABORTED => Stamp::Aborted,
        plain => Stamp::Plain(plain),
    }
}

//! [`Epoch`]: the number that orders births, retirements and reservations.

use core::fmt;

/// A point on a collector's own clock, which moves by one a *tick*.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// Before every reservation: the birth of what never was stamped (foreign boxes, closures). Such a node is held back by any
    /// reader that was pinned when it was retired, as under plain epochs.
    pub const ZERO: Epoch = Epoch(0);

    /// The epoch as a number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// An epoch from a number that [`get`](Epoch::get) gave. A number that is too small is only conservative.
    pub const fn from_raw(raw: u64) -> Epoch {
        Epoch(raw)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({})", self.0)
    }
}

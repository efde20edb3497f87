//! What plays under shuttle are made of: a [`Counting`] structure, and a collector that has something to do in so short a play.

#![allow(dead_code, reason = "not every test file uses all of it")]

use std::ops::Deref;
use stillpoint_reclaim::Collector;
use stillpoint_testkit::DropCounter;

/// Sweeps every other retirement, and lets leases run out at once.
pub(crate) fn leased() -> Collector {
    Collector::builder().lease_ticks(0).batch_len(2).build()
}

/// A structure that holds what its counter has made: at the end of a play it is dropped, with its collector, and all of that is dropped then.
pub(crate) struct Counting<C> {
    /// There until the end.
    structure: Option<C>,
    pub(crate) counter: DropCounter,
    /// What must be true of the structure when nobody is at it any more.
    check: fn(&C),
}

impl<C> Counting<C> {
    pub(crate) fn new(structure: C) -> Self {
        Counting::checked(structure, |_| ())
    }

    pub(crate) fn checked(structure: C, check: fn(&C)) -> Self {
        Counting { structure: Some(structure), counter: DropCounter::new(), check }
    }
}

impl<C> Deref for Counting<C> {
    type Target = C;
    fn deref(&self) -> &C {
        self.structure.as_ref().expect("there until the end")
    }
}

impl<C> Drop for Counting<C> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            (self.check)(self);
        }
        drop(self.structure.take());
        if !std::thread::panicking() {
            self.counter.assert_none_left();
        }
    }
}

//! Leases: who still reads at which timestamp. As `lease` and `lease_view` in the store.
//!
//! # Invariants
//! 1. A lease is announced (PINNING, with a lower bound) before the clock is read for good, and the clock is past it before anybody reads by it.
//! 2. The bound is exact when it is announced, and a lease is published at once when the clock is past it. Delays of either only make pruners keep more.
//!    Where a play is helped, a pruner publishes a lease that is being taken, as its owner would; the owner then takes what it finds. Elsewhere only owners do,
//!    and a pruner keeps what it may need.
//! 3. A view looks at the slots one by one; it is taken after the version whose predecessors are in question was stamped.

use crate::play::{Op, Weakening};
use crate::process::{Process, Step};
use crate::state::{FREE, KILLED, PINNING, Shared};

/// The words of all slots at a time, a byte each.
#[derive(Clone, Copy)]
pub(crate) struct View(u32);

impl View {
    /// Whether a lease needs a version stamped at `from` and superseded at `until`.
    pub(crate) fn needs(self, from: u8, until: u8) -> bool {
        self.0.to_le_bytes().iter().any(|word| match *word {
            FREE => false,
            word if word & PINNING != 0 => word & !PINNING < until,
            word if word & KILLED != 0 => false,
            word => from <= word && word < until,
        })
    }
}

impl Process<'_> {
    /// Takes a lease at the present moment; its timestamp.
    pub(crate) fn take_lease(&mut self) -> Step<u8> {
        self.call(|process| {
            let slot = usize::from(process.me);
            if !process.is_weak(Weakening::LeaseUnannounced) {
                process.access("announce lease", |shared| {
                    shared.leases[slot] = PINNING | shared.clock;
                })?;
            }
            if process.play.is_helped {
                let there = process.publish(slot, None)?;
                return process.begin_at(there & !KILLED);
            }
            let read_timestamp = process.access("load clock for a lease", |shared| shared.clock)?;
            let passes = !process.is_weak(Weakening::SnapshotLeavesClock);
            if process.is_weak(Weakening::LeaseUnannounced) {
                process.access("pass lease", |shared| {
                    shared.clock += u8::from(shared.clock == read_timestamp);
                })?;
            }
            let begins = process.begins_at(read_timestamp);
            process.access("pass and publish lease", |shared| {
                shared.clock += u8::from(passes && shared.clock == read_timestamp);
                shared.leases[slot] = read_timestamp;
                begins(shared);
            })?;
            Ok(read_timestamp)
        })
    }

    /// What an operation that has its timestamp leaves for others to see.
    fn begins_at(&self, read_timestamp: u8) -> impl FnOnce(&mut Shared) + use<> {
        let (op, number, slot, in_order) = (self.op, self.number, self.me, self.play.in_order);
        move |shared| match op {
            Op::Commit { reads, writes } | Op::Erase { reads, writes } => {
                let commit = &mut shared.commits[number];
                commit.lease = slot;
                commit.read_timestamp = read_timestamp;
                // What is written too is validated at its install; an interval that was walked is walked again.
                let validated = reads.iter().filter(|key| in_order || !writes.contains(key));
                commit.reads = validated.map(|key| 1 << key).sum();
                commit.needs_lease = !reads.is_empty();
            }
            // A snapshot has its place in the order from here on.
            _ => shared.over |= 1 << number,
        }
    }

    fn begin_at(&mut self, read_timestamp: u8) -> Step<u8> {
        let begins = self.begins_at(read_timestamp);
        self.access("begin", |shared| {
            begins(shared);
            read_timestamp
        })
    }

    /// Gives a lease that is being taken its timestamp, as its owner, or as a pruner who found this word; what the slot says then.
    fn publish(&mut self, slot: usize, found: Option<u8>) -> Step<u8> {
        self.call(|process| {
            let timestamp = process.access("load clock to publish", |shared| shared.clock)?;
            if found.is_none() || !process.is_weak(Weakening::PublishedWithoutPassing) {
                process.access("pass", |shared| {
                    shared.clock += u8::from(shared.clock == timestamp);
                })?;
            }
            let there = process.access("publish lease", |shared| {
                let word = &mut shared.leases[slot];
                let is_due = found.map_or(*word & PINNING != 0, |found| *word == found);
                if is_due {
                    *word = timestamp;
                }
                *word
            })?;
            let ignores = found.is_none() && process.is_weak(Weakening::OwnerIgnoresPublished);
            Ok(if ignores { timestamp } else { there })
        })
    }

    pub(crate) fn release_lease(&mut self) -> Step<()> {
        let slot = usize::from(self.me);
        self.access("release lease", |shared| shared.leases[slot] = FREE)
    }

    /// Whether a lease was not killed.
    pub(crate) fn holds(&mut self, slot: u8, read_timestamp: u8) -> Step<bool> {
        if !self.play.ops().any(|op| matches!(op, Op::Kill(_))) && slot == self.me {
            return Ok(true);
        }
        self.access("check lease", |shared| shared.leases[usize::from(slot)] == read_timestamp)
    }

    pub(crate) fn kill_lease(&mut self, slot: u8) -> Step<()> {
        self.access("kill lease", |shared| {
            let word = &mut shared.leases[usize::from(slot)];
            if *word != FREE && *word & PINNING == 0 {
                *word |= KILLED;
            }
        })
    }

    fn look_at_lease(&mut self, slot: usize) -> Step<u8> {
        let is_last = self.known(|shared| shared.without_lease & 1 << slot != 0);
        self.look("look at lease", |shared| shared.leases[slot], |_| is_last)
    }

    pub(crate) fn view_leases(&mut self) -> Step<View> {
        let words = self.call(|process| {
            let mut words = [FREE; 4];
            for (slot, ops) in process.play.processes.iter().enumerate() {
                if slot != usize::from(process.me) && ops.iter().any(|op| op.takes_lease()) {
                    let word = process.look_at_lease(slot)?;
                    words[slot] = if word & PINNING == 0 || !process.play.is_helped {
                        word
                    } else if process.is_weak(Weakening::PrunerPassesPinning) {
                        FREE
                    } else {
                        let there = process.publish(slot, Some(word))?;
                        // Another one, announced later, reads later.
                        if there & PINNING == 0 { there } else { FREE }
                    };
                }
            }
            Ok(u32::from_le_bytes(words))
        })?;
        Ok(View(words))
    }
}

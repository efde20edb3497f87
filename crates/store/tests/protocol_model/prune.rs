//! Cutting out what no lease needs, and removing keys that are gone. As `prune` in the store.
//!
//! # Invariants
//! 1. A version stamped a and superseded by one stamped b is cut out only if a view taken after b was stamped has no lease in a <= s < b and none
//!    being taken that may come to lie there.
//! 2. A tombstone leaves only if its timestamp is at most every live lease's, and the clock has passed it.
//!
//! Loading a link, marking the one below and moving the upper one are one access here; the version index checks its own marks with loom.

use crate::lease::View;
use crate::play::{Op, Weakening};
use crate::process::{Process, Step};
use crate::state::{ABSENT, NONE, Shared, Stamp, Standing, Status};

impl Process<'_> {
    /// What follows from a committed version of the process's own, which superseded `base`.
    pub(crate) fn written(
        &mut self,
        key: u8,
        version: u8,
        base: u8,
        view: Option<View>,
    ) -> Step<()> {
        if self.play.keeps_all {
            return Ok(());
        }
        self.call(|process| {
            if base != NONE {
                let view = match view {
                    Some(view) => view,
                    None => process.view_leases()?,
                };
                process.prune(version, |stamp, above| {
                    stamp.is_some_and(|stamp| view.needs(stamp.timestamp(), above))
                })?;
            }
            if process.value(version) == ABSENT && process.head(key)? == version {
                process.remove_tombstone(key, version, version, base)?;
            }
            Ok(())
        })
    }

    /// Cuts out below a version what `keep` does not want; it is told the stamp, if committed, and the timestamp of what superseded it.
    fn prune(&mut self, newest: u8, keep: impl Fn(Option<Stamp>, u8) -> bool) -> Step<()> {
        self.call(|process| {
            let mut above = newest;
            let mut superseded = process.final_stamp(newest).map_or(0, Stamp::timestamp);
            loop {
                let (link, is_cut) = process
                    .access("keep or cut", |shared| cut(shared, above, superseded, &keep))?;
                if link == NONE {
                    return Ok(());
                }
                superseded = process.final_stamp(link).map_or(superseded, Stamp::timestamp);
                above = if is_cut == 0 { link } else { above };
            }
        })
    }

    /// Removes a chain whose newest committed version is a tombstone and whose head is final.
    fn remove_tombstone(&mut self, key: u8, head: u8, tombstone: u8, base: u8) -> Step<()> {
        let timestamp = self.final_stamp(tombstone).map_or(0, Stamp::timestamp);
        let view = self.view_leases()?;
        let since = if self.is_weak(Weakening::RemovalByInterval) && base != NONE {
            self.final_stamp(base).map_or(0, Stamp::timestamp)
        } else {
            0
        };
        if view.needs(since, timestamp) {
            return Ok(());
        }
        if !self.is_weak(Weakening::RemovalLeavesClock) {
            self.access("pass tombstone", |shared| {
                shared.clock += u8::from(shared.clock == timestamp);
            })?;
        }
        let is_weak = self.is_weak(Weakening::TombstoneFirst);
        self.remove_chain(key, head, if is_weak { head } else { tombstone })
    }

    /// Removes a chain of which nothing is visible from `last` down; what is older than a tombstone goes before it.
    fn remove_chain(&mut self, key: u8, head: u8, last: u8) -> Step<()> {
        self.prune(last, |_, _| false)?;
        let is_removed = self.access("remove", |shared| {
            let slot = &mut shared.heads[usize::from(key)];
            let is_there = *slot == head;
            if is_there {
                *slot = NONE;
                shared.version_mut(head).is_cut = true;
            }
            is_there
        })?;
        if is_removed { self.call(|process| process.retract(key)) } else { Ok(()) }
    }

    /// Cuts out of a chain what no lease needs, and the whole chain if the key is gone.
    pub(crate) fn tidy(&mut self, key: u8) -> Step<()> {
        if self.play.keeps_all {
            return Ok(());
        }
        let head = self.head(key)?;
        if head == NONE {
            return Ok(());
        }
        let standing = self.standing(head)?;
        let is_final = match standing {
            Standing::Pending(commit) => {
                let status: Status =
                    self.access("status of head", |shared| shared.commits[commit].status)?;
                status.is_final()
            }
            _ => true,
        };
        if standing == Standing::Aborted {
            self.prune(head, |stamp, _| stamp.is_some())?;
        }
        let newest = self.latest(head)?;
        if newest == NONE {
            return if is_final { self.remove_chain(key, head, head) } else { Ok(()) };
        }
        if matches!(self.op, Op::Tidy(_)) {
            let view = self.view_leases()?;
            self.prune(newest, |stamp, above| {
                stamp.is_some_and(|stamp| view.needs(stamp.timestamp(), above))
            })?;
        }
        if is_final && self.value(newest) == ABSENT {
            self.remove_tombstone(key, head, newest, NONE)?;
        }
        Ok(())
    }
}

/// Cuts out the version below `above` unless it is wanted: that version, and whether.
fn cut(
    shared: &mut Shared,
    above: u8,
    superseded: u8,
    keep: impl Fn(Option<Stamp>, u8) -> bool,
) -> (u8, u8) {
    let link = shared.version(above).next;
    if link == NONE || shared.version(above).is_cut {
        return (NONE, 0);
    }
    let stamp = shared.committed_stamp(shared.version(link));
    if keep(stamp, superseded) {
        return (link, 0);
    }
    shared.version_mut(above).next = shared.version(link).next;
    shared.version_mut(link).is_cut = true;
    (link, 1)
}

//! Keys that come into the order and leave it. As `ordered` and `presence` in the store.
//!
//! # Invariants
//! 1. A first version is installed only by who is counted in a presence of the key that was not dead when it was counted.
//! 2. A presence dies only if nobody is counted, or has come and gone, since before the look at the record; only the dead are taken out or replaced.
//!
//! The map itself is one access for each look and each change, as the ordered map's own models show it to be.

use crate::play::Weakening;
use crate::process::{Process, Step};
use crate::state::{COUNTED, DEAD, NONE, ONE_COUNTED, ONE_ENTRY, Stamp, WANTED};

impl Process<'_> {
    /// Whether a walk meets the key; in plays without order, every walk meets every key.
    pub(crate) fn is_met(&mut self, key: u8) -> Step<bool> {
        if !self.play.in_order {
            return Ok(true);
        }
        self.access("walk to key", |shared| shared.order[usize::from(key)] != NONE)
    }

    /// Installs a version; the first of a key while the key is in the order.
    pub(crate) fn install(&mut self, key: u8, head: u8, value: u8, stamp: Stamp) -> Step<u8> {
        if !self.play.in_order || head != NONE {
            return self.install_on(key, head, value, stamp);
        }
        self.call(|process| {
            if process.is_weak(Weakening::EnterLate) {
                let version = process.install_on(key, head, value, stamp)?;
                let presence = process.enter(key)?;
                process.leave(presence)?;
                return Ok(version);
            }
            let presence = process.enter(key)?;
            if process.is_weak(Weakening::LeaveEarly) {
                process.leave(presence)?;
                return process.install_on(key, head, value, stamp);
            }
            let version = process.install_on(key, head, value, stamp)?;
            if process.leave(presence)? || version == NONE {
                process.retract(key)?;
            }
            Ok(version)
        })
    }

    fn install_on(&mut self, key: u8, head: u8, value: u8, stamp: Stamp) -> Step<u8> {
        self.access("install", |shared| shared.install(key, head, value, stamp))
    }

    fn enter(&mut self, key: u8) -> Step<u8> {
        self.retry(|process| {
            let at = process.access("find presence", |shared| shared.order[usize::from(key)])?;
            if at != NONE {
                let before = process.access("enter", |shared| {
                    let before = *shared.presence(at);
                    *shared.presence(at) += ONE_ENTRY | ONE_COUNTED;
                    before
                })?;
                if before & DEAD == 0 || process.is_weak(Weakening::EnterTheDead) {
                    return Ok(Some(at));
                }
            }
            let put = process.access("put presence", |shared| {
                let is_free = shared.has_no_presence(key);
                if is_free { shared.put_presence(key, ONE_ENTRY | ONE_COUNTED) } else { NONE }
            })?;
            Ok((put != NONE).then_some(put))
        })
    }

    /// Whether the caller, as the last, has to retract.
    fn leave(&mut self, presence: u8) -> Step<bool> {
        self.access("leave", |shared| {
            let before = *shared.presence(presence);
            *shared.presence(presence) -= ONE_COUNTED;
            before & COUNTED == ONE_COUNTED && before & WANTED != 0
        })
    }

    /// Takes a key out of the order that has no record, unless somebody may make one.
    pub(crate) fn retract(&mut self, key: u8) -> Step<()> {
        if !self.play.in_order {
            return Ok(());
        }
        let at = self.access("find presence to retract", |s| s.order[usize::from(key)])?;
        if at == NONE || !self.die(at, key)? {
            return Ok(());
        }
        self.access("take out of order", |shared| {
            if shared.has_no_presence(key) {
                shared.order[usize::from(key)] = NONE;
            }
        })
    }

    /// Whether this call made it dead.
    fn die(&mut self, presence: u8, key: u8) -> Step<bool> {
        self.retry(|process| {
            let state = process.access("load presence", |shared| *shared.presence(presence))?;
            let next = if state & DEAD != 0 {
                return Ok(Some(false));
            } else if state & COUNTED != 0 {
                if process.is_weak(Weakening::RetractSilently) {
                    return Ok(Some(false));
                }
                state | WANTED
            } else if process.head(key)? != NONE {
                return Ok(Some(false));
            } else {
                state | DEAD
            };
            let is_unaware = process.is_weak(Weakening::DieUnawares);
            let changed = process.access("change presence", |shared| {
                let word = shared.presence(presence);
                let is_same = *word == state || is_unaware && *word & COUNTED == state & COUNTED;
                if is_same {
                    *word |= next & (DEAD | WANTED);
                }
                is_same
            })?;
            Ok(changed.then_some(next & DEAD != 0))
        })
    }
}

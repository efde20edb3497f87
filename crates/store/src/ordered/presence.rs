//! [`Presence`]: that a key may have a record, and who may be making one.
//!
//! ```text
//!  63 ......... 32   31 ..... 2   1        0
//!  entries ever      counted      WANTED   DEAD
//! ```
//! | from | to | by |
//! |---|---|---|
//! | any | counted + 1, entries + 1 | who enters; in vain if it was DEAD |
//! | any | counted − 1 | who leaves |
//! | counted ≠ 0 | WANTED | a retractor, which the last who leaves relieves |
//! | counted = 0, the very state that was read before the look at the record | DEAD, for ever | a retractor |
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[presence]` | all SeqCst: part of the one total order with installs into and removals from the hash index that `ordered` argues in |

use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};

const DEAD: u64 = 1;
const WANTED: u64 = 1 << 1;
const ONE_COUNTED: u64 = 1 << 2;
const ONE_ENTRY: u64 = 1 << 32;
const COUNTED: u64 = ONE_ENTRY - ONE_COUNTED;

pub(super) struct Presence {
    state: AtomicU64,
}

impl Presence {
    /// One in which its maker is counted.
    pub(super) fn entered() -> Self {
        Presence { state: AtomicU64::new(ONE_ENTRY | ONE_COUNTED) }
    }

    pub(super) fn is_dead(&self) -> bool {
        // SeqCst [presence]: see the header
        self.state.load(Ordering::SeqCst) & DEAD != 0
    }

    /// Counts the caller; false if it is dead.
    pub(super) fn enter(&self) -> bool {
        // SeqCst [presence]: no death between this and `leave`
        self.state.fetch_add(ONE_ENTRY | ONE_COUNTED, Ordering::SeqCst) & DEAD == 0
    }

    /// Counts the caller no more. Whether it has to retract, as the last.
    pub(super) fn leave(&self) -> bool {
        // SeqCst [presence]: after the install, if there was one
        let before = self.state.fetch_sub(ONE_COUNTED, Ordering::SeqCst);
        before & COUNTED == ONE_COUNTED && before & WANTED != 0
    }

    /// Makes it dead if nobody is counted and there is no record. Whether this call did.
    pub(super) fn die(&self, has_record: impl Fn() -> bool) -> bool {
        loop {
            // SeqCst [presence]: before the look at the record
            let state = self.state.load(Ordering::SeqCst);
            let next = match state {
                _ if state & DEAD != 0 => return false,
                _ if state & COUNTED != 0 => state | WANTED,
                _ if has_record() => return false,
                _ => state | DEAD,
            };
            // SeqCst [presence]: fails if anybody has entered or left since the load
            match self.state.compare_exchange(state, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return next & DEAD != 0,
                Err(_) => continue,
            }
        }
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::Presence;

    #[test]
    fn nobody_dies_who_is_counted_or_has_a_record() {
        let presence = Presence::entered();
        assert!(!presence.die(|| unreachable!("somebody is counted")));
        assert!(presence.enter());
        assert!(!presence.leave(), "not the last");
        assert!(presence.leave(), "the last, and somebody wanted it dead");
        assert!(!presence.die(|| true) && !presence.is_dead());
        assert!(presence.die(|| false) && presence.is_dead());
        assert!(!presence.enter() && !presence.die(|| false));
    }

    #[test]
    fn who_has_come_and_gone_meanwhile_is_noticed() {
        let presence = Presence::entered();
        assert!(!presence.leave());
        let looks = std::cell::Cell::new(0);
        let has_record = || {
            looks.set(looks.get() + 1);
            if looks.get() == 1 {
                // A writer installs behind the retractor's back.
                assert!(presence.enter() && !presence.leave());
            }
            looks.get() > 1
        };
        assert!(!presence.die(has_record));
        assert_eq!(looks.get(), 2);
    }
}

//! [`Signal`]: sleeping until somebody says that something has changed.
//!
//! # Invariants
//! 1. No wake-up is lost: a sleeper reads the round, *then* says that it listens, *then* looks at what it waits for, and sleeps only while the round
//!    is the same. Who changes something looks afterwards whether anybody listens; if it does not see that, the sleeper's look came later and
//!    sees the change; if it does, it counts the round up.
//! 2. Who changes something and finds nobody listening pays one load.
//! 3. A waker is kept for as long as its task waits: until the next change, or until who registered it leaves. Other people's code, which wakers are,
//!    runs under no lock, and a panic of one keeps none of the others asleep.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[listening]` | SeqCst: store, then look, against change, then load; the change and the look are SeqCst or under one lock |

use std::sync::{Condvar, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Instant;
use stillpoint_primitive::contain;
use stillpoint_primitive::sync::atomic::{AtomicBool, Ordering};

#[derive(Default)]
struct State {
    round: u64,
    /// Of tasks that wait for this round's end, by seat.
    wakers: Vec<(u64, Waker)>,
    /// Seats that were given out.
    seats: u64,
}

/// Whose waker it is.
#[derive(Default)]
pub(crate) struct Seat(Option<u64>);

pub(crate) struct Signal {
    listening: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

impl Default for Signal {
    fn default() -> Self {
        Signal {
            listening: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

impl Signal {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// From here on a change ends the wait for the round that is returned.
    pub(crate) fn listen(&self) -> u64 {
        let round = self.lock().round;
        // SeqCst [listening]: before the look at what is waited for
        self.listening.store(true, Ordering::SeqCst);
        round
    }

    /// Something has changed.
    #[inline]
    pub(crate) fn notify(&self) {
        // SeqCst [listening]: after the change
        if self.listening.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        // SeqCst [listening]: one of those who see it wakes all
        if self.listening.swap(false, Ordering::SeqCst) {
            let wakers = {
                let mut state = self.lock();
                state.round += 1;
                std::mem::take(&mut state.wakers)
            };
            self.changed.notify_all();
            wakers.into_iter().for_each(|(_, waker)| contain(|| waker.wake()));
        }
    }

    /// Sleeps until something changes after the `listen` that returned `round`, or until `deadline`.
    ///
    /// # Progress
    /// Blocking.
    pub(crate) fn wait(&self, round: u64, deadline: Option<Instant>) {
        let mut at = self.lock();
        while at.round == round {
            at = match deadline {
                None => self.changed.wait(at).unwrap_or_else(|poisoned| poisoned.into_inner()),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    let waited = self.changed.wait_timeout(at, left);
                    waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0
                }
            };
        }
    }

    /// Lets a task be woken by the next change, in place of the one that has the seat; `false` if there was one after the `listen` that returned `round`.
    pub(crate) fn register(&self, round: u64, waker: &Waker, seat: &mut Seat) -> bool {
        let waker = waker.clone();
        let mut state = self.lock();
        let waits = state.round == round;
        let unused = if waits { state.sit(seat, waker) } else { Some(waker) };
        drop(state);
        drop(unused);
        waits
    }

    /// Forgets the waker of a seat.
    pub(crate) fn leave(&self, seat: &mut Seat) {
        let Some(number) = seat.0.take() else { return };
        let mut state = self.lock();
        let at = state.wakers.iter().position(|(whose, _)| *whose == number);
        let gone = at.map(|at| state.wakers.swap_remove(at));
        drop(state);
        drop(gone);
    }
}

impl State {
    /// Returns the waker that had the seat.
    fn sit(&mut self, seat: &mut Seat, waker: Waker) -> Option<Waker> {
        let number = *seat.0.get_or_insert_with(|| {
            self.seats += 1;
            self.seats
        });
        match self.wakers.iter_mut().find(|(whose, _)| *whose == number) {
            Some((_, known)) => Some(std::mem::replace(known, waker)),
            None => {
                self.wakers.push((number, waker));
                None
            }
        }
    }
}

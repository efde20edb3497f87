//! [`Balance`]: as many loops as the load needs, and their connections dealt out evenly.
//!
//! ```text
//! few requests:   loop 0 ●●●●●●●●   loop 1            one loop serves in larger batches and sleeps more seldom
//! many requests:  loop 0 ●●●●       loop 1 ●●●●       every core works
//! ```
//!
//! Ten times a second each loop that has connections publishes how busy its thread was (CPU time, not wall time, so that
//! a loop which others keep from running does not pass for busy). Loop 0 judges: the loops at work nearly saturated for a
//! few ticks → one more; so idle for seconds that one fewer would do → one fewer. A loop with more than its share moves
//! connections that wait for their client, whole, to the loop with the fewest.

use super::accept::Accepted;
use super::poller::{Arrival, Mailbox};
use crate::counter::Gauge;
use std::sync::Arc;

/// A loop as the others know it.
pub(crate) struct Home {
    pub(crate) mailbox: Arc<Mailbox>,
    /// Connections that the loop has or will have.
    pub(crate) connections: Gauge,
    /// Thousandths of a core that it used during its last tick.
    pub(crate) busy: Gauge,
}

/// Busier than this, on average, the loops at work need another.
const SATURATED: u64 = 850;
const SATURATED_TICKS: u32 = 3;
/// If the loops left would be no busier than this, one of them can rest.
const RELAXED: u64 = 500;
const RELAXED_TICKS: u32 = 50;

/// All loops of a server.
pub(crate) struct Balance {
    pub(crate) homes: Vec<Home>,
    /// The first so many of them have connections.
    active: Gauge,
}

/// For how many ticks on end it has been so; loop 0 keeps it.
#[derive(Default)]
pub(crate) struct Streak {
    saturated: u32,
    relaxed: u32,
}

impl Balance {
    pub(crate) fn new(mailboxes: Vec<Arc<Mailbox>>) -> Self {
        let home =
            |mailbox| Home { mailbox, connections: Gauge::default(), busy: Gauge::default() };
        let active = Gauge::default();
        active.set(1);
        Balance { homes: mailboxes.into_iter().map(home).collect(), active }
    }
    fn active(&self) -> usize {
        (self.active.get() as usize).clamp(1, self.homes.len())
    }
    /// The loop at work with the fewest connections.
    pub(crate) fn emptiest(&self) -> usize {
        let at_work = self.homes[..self.active()].iter().enumerate();
        at_work.min_by_key(|(_, home)| home.connections.get()).map_or(0, |(i, _)| i)
    }
    /// Gives a new connection to that loop.
    pub(super) fn welcome(&self, accepted: Accepted) {
        let home = &self.homes[self.emptiest()];
        home.connections.add(1);
        home.mailbox.give(Arrival::New(accepted));
    }
    /// How many connections the loop `me` has beyond its share.
    pub(crate) fn surplus(&self, me: usize) -> usize {
        let (mine, active) = (self.homes[me].connections.get() as usize, self.active());
        if me >= active {
            return mine;
        }
        let all: u64 = self.homes.iter().map(|home| home.connections.get()).sum();
        mine.saturating_sub((all as usize).div_ceil(active))
    }
    /// Adds or rests a loop if it is time to.
    pub(crate) fn judge(&self, streak: &mut Streak) {
        let active = self.active();
        let busy: u64 = self.homes[..active].iter().map(|home| home.busy.get()).sum();
        let connections: u64 = self.homes.iter().map(|home| home.connections.get()).sum();
        let more = active < self.homes.len()
            && connections > active as u64
            && busy > SATURATED * active as u64;
        let fewer = active > 1 && busy < RELAXED * (active as u64 - 1);
        streak.saturated = if more { streak.saturated + 1 } else { 0 };
        streak.relaxed = if fewer { streak.relaxed + 1 } else { 0 };
        if streak.saturated >= SATURATED_TICKS {
            self.set_active(active + 1, streak);
        } else if streak.relaxed >= RELAXED_TICKS {
            self.set_active(active - 1, streak);
        }
    }
    fn set_active(&self, active: usize, streak: &mut Streak) {
        self.active.set(active as u64);
        *streak = Streak::default();
        self.homes.iter().for_each(|home| home.mailbox.wake());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(loops: usize, connections: u64) -> Balance {
        let mailboxes = (0..loops).map(|_| Arc::new(Mailbox::new().unwrap())).collect();
        let balance = Balance::new(mailboxes);
        balance.homes[0].connections.set(connections);
        balance
    }

    #[test]
    fn loops_join_when_saturated_and_rest_when_idle() {
        let (balance, mut streak) = (balance(3, 9), Streak::default());
        balance.homes[0].busy.set(1000);
        (0..SATURATED_TICKS).for_each(|_| balance.judge(&mut streak));
        assert_eq!((balance.active(), balance.surplus(0), balance.emptiest()), (2, 4, 1));
        balance.homes[0].busy.set(200);
        (0..RELAXED_TICKS).for_each(|_| balance.judge(&mut streak));
        balance.homes[1].connections.set(4);
        assert_eq!((balance.active(), balance.surplus(1), balance.emptiest()), (1, 4, 0));
    }

    #[test]
    fn one_connection_is_never_split() {
        let (balance, mut streak) = (balance(2, 1), Streak::default());
        balance.homes[0].busy.set(1000);
        (0..100).for_each(|_| balance.judge(&mut streak));
        assert_eq!(balance.active(), 1);
    }
}

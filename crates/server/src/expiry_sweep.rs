//! [`Sweep`]: removes expired keys in the background and tells of each one, where somebody wants to know.
//!
//! The store's own maintenance removes expired keys without telling of it. So while `expired` events are wanted, or somebody tracks keys, loop 0 walks the keys, some at each
//! tick, and the maintenance goes by a clock that stands at the begin of the last walk that is complete ([`Server::maintenance_ms`]): it finds nothing
//! left to remove, and still ends overdue snapshots.

use crate::env::{Env, Server};
use crate::event::{class, publish_event};
use stillpoint_store::At;

/// Keys looked at in one tick.
const KEYS_PER_TICK: usize = 10_000;
const KEYS_PER_STEP: usize = 256;

/// A walk over all databases.
#[derive(Default)]
pub(crate) struct Sweep {
    space: u8,
    cursor: u64,
    begun_ms: u64,
}

/// The horizon while the store may remove what it likes.
pub(crate) const NO_HORIZON: u64 = u64::MAX;

impl Server {
    /// From now on nothing may expire untold: to be called when somebody begins to want to know.
    pub(crate) fn hold_expiry(&self) {
        if self.sweep_horizon.get() == NO_HORIZON {
            self.sweep_horizon.set(0);
        }
    }

    /// The time by which the store's maintenance goes.
    pub(crate) fn maintenance_ms(&self, now_ms: u64) -> u64 {
        match self.active_expire.get() {
            // At the beginning of time nothing is due.
            0 => 0,
            _ => now_ms.min(self.sweep_horizon.get()),
        }
    }
}

impl Sweep {
    /// Goes on with the walk.
    pub(crate) fn tick(&mut self, env: &Env) {
        let horizon = &env.server.sweep_horizon;
        if env.settings.events & class::EXPIRED == 0 && env.server.tracking.count() == 0 {
            if horizon.get() != NO_HORIZON {
                horizon.set(NO_HORIZON);
            }
            *self = Sweep::default();
            return;
        }
        env.server.hold_expiry();
        if env.server.active_expire.get() == 0 {
            return;
        }
        let mut seen = 0;
        while seen < KEYS_PER_TICK {
            if self.begun_ms == 0 {
                self.begun_ms = env.now_ms;
            }
            seen += self.step(env);
            if self.cursor == 0 {
                self.space += 1;
            }
            if self.space >= env.settings.databases {
                horizon.set(self.begun_ms);
                *self = Sweep::default();
                return;
            }
        }
    }

    fn step(&mut self, env: &Env) -> usize {
        let store = &env.server.store;
        let now = At { space: self.space, now_ms: env.now_ms };
        // At the beginning of time nothing has expired yet.
        let then = At { now_ms: 0, ..now };
        let (mut seen, mut expired) = (1, Vec::<Box<[u8]>>::new());
        self.cursor = store.scan(then, self.cursor, KEYS_PER_STEP, |entry| {
            seen += 1;
            if entry.expire_at_ms().is_some_and(|at| at <= now.now_ms) {
                expired.push(entry.key().into());
            }
        });
        for key in expired {
            if store.expire(now, &key) {
                if env.settings.events & class::EXPIRED != 0 {
                    publish_event(env, now.space, "expired", &key);
                }
                if env.server.tracking.is_needed() {
                    env.server.tracking.tell_of_expired(env, &key);
                }
            }
        }
        seen
    }
}

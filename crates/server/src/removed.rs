//! [`Removed`]: keys that the store removed by itself, until those who want to know are told.
//!
//! ```text
//!  a reader that meets an expired value ─┐
//!  a writer that needs room             ─┼─▶ queue ─▶ the loop whose command it was, at its end; else any loop, at its next pass
//!  the store's maintenance              ─┘            events `expired` and `evicted`, invalidations for those who track,
//!                                                        errors for those who wait for what a group of the stream is to read
//! ```
//! # Invariants
//! 1. A command's own removals are told of before what else it did: they came first.
//! 2. Nothing is queued before somebody has wanted to know.

use crate::blocking::serve;
use crate::counter::Gauge;
use crate::data::Touched;
use crate::env::Env;
use crate::event::{class, publish_event};
use crate::listener::Mailbox;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use stillpoint_store::{Removal, RemovalReason};

struct Gone {
    db: u8,
    key: Box<[u8]>,
    reason: RemovalReason,
}

/// Removed keys that nobody has been told of.
#[derive(Default)]
pub(crate) struct Removed {
    wanted: Gauge,
    waiting: Gauge,
    queue: Mutex<Vec<Gone>>,
    bell: OnceLock<Arc<Mailbox>>,
}

impl Removed {
    /// From now on removals are told of.
    pub(crate) fn want(&self) {
        self.wanted.set(1);
    }

    /// The loop to wake when there is something to tell.
    pub(crate) fn set_bell(&self, mailbox: &Arc<Mailbox>) {
        // The first one stays.
        let _ = self.bell.set(Arc::clone(mailbox));
    }

    /// Notes a removal.
    pub(crate) fn note(&self, removal: Removal<'_>) {
        if self.wanted.get() == 0 {
            return;
        }
        let gone = Gone { db: removal.space, key: removal.key.into(), reason: removal.reason };
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push(gone);
        self.waiting.set(1);
        if queue.len() == 1
            && let Some(bell) = self.bell.get()
        {
            bell.wake();
        }
    }

    /// Whether there is something to tell.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.get() != 0
    }

    /// Tells it.
    #[cold]
    pub(crate) fn tell(&self, env: &mut Env) {
        let gone = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            self.waiting.set(0);
            std::mem::take(&mut *queue)
        };
        let mut touched = Touched::default();
        for gone in gone {
            touched.note(gone.db, &gone.key);
            let (class, name) = match gone.reason {
                RemovalReason::Evicted => (class::EVICTED, "evicted"),
                _ => (class::EXPIRED, "expired"),
            };
            if env.settings.events & class != 0 {
                publish_event(env, gone.db, name, &gone.key);
            }
            if env.server.tracking.is_needed() {
                env.server.tracking.tell_of_removed(env, &gone.key);
            }
        }
        // Who reads as one of a stream's group wants to know of its end.
        serve(&mut touched, env);
    }
}

//! [`Guard`]: a block of hazards in use; loads and retirement.

use crate::atomic::{Atomic, Shared, Unprotected};
use crate::epoch::Epoch;
#[cfg(stillpoint_loom)]
use crate::hp::collector::Mutation;
use crate::hp::collector::{Hazard, Inner};
use crate::hp::hazards::Hazards;
use crate::hp::local::Local;
use crate::node::Header;
use crate::retired::{Birth, Retired};
use crate::scheme::{Protect, Restart};
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;

/// Rounds of a load: each but the last means that somebody changed the place between two of our instructions.
const MAX_ROUNDS: u32 = 16;

/// A block of slots, each of which protects one pointer. Of one thread; nested guards have slots of their own, and may go in any order.
pub struct Guard<'c> {
    inner: &'c Inner,
    local: &'c Local,
    hazards: &'c Hazards,
    /// One bit for each slot that has been set.
    used: Cell<usize>,
    /// Not `Send`: the block belongs to the thread.
    not_send: PhantomData<*mut ()>,
}

impl<'c> Guard<'c> {
    #[inline(always)]
    pub(crate) fn new(inner: &'c Inner, local: &'c Local, hazards: &'c Hazards) -> Self {
        Guard { inner, local, hazards, used: Cell::new(0), not_send: PhantomData }
    }

    #[inline(always)]
    pub(crate) fn is_from(&self, inner: &Inner) -> bool {
        core::ptr::eq(self.inner, inner)
    }

    /// Whether this guard is one of `collector`'s.
    #[inline(always)]
    pub fn belongs_to(&self, collector: &Hazard) -> bool {
        self.is_from(&collector.inner)
    }

    /// Publishes `found` in `slot` and returns what `src` holds after that.
    #[inline(always)]
    fn publish<'g, T>(
        &'g self,
        slot: usize,
        found: Shared<'g, T>,
        src: &Atomic<T>,
    ) -> Shared<'g, T> {
        self.used.set(self.used.get() | 1 << slot);
        self.hazards.set(slot, found.node());
        #[cfg(stillpoint_loom)]
        match self.inner.mutation {
            Mutation::NoLightFence => return src.load_acquire(),
            Mutation::NoReload => return found,
            _ => {}
        }
        self.inner.fences.light();
        src.load_acquire()
    }
}

// SAFETY: the argument of the module's page.
unsafe impl Protect for Guard<'_> {
    /// # Panics
    /// `slot` is not below [`SLOTS`](crate::Scheme::SLOTS).
    #[inline(always)]
    fn protect_root<'g, T>(
        &'g self,
        slot: usize,
        src: &Atomic<T>,
    ) -> Result<Shared<'g, T>, Restart> {
        let mut word = src.load_acquire();
        for _ in 0..MAX_ROUNDS {
            if word.is_null() {
                return Ok(word);
            }
            let again = self.publish(slot, word, src);
            if again == word {
                return Ok(word);
            }
            word = again;
        }
        Err(Restart)
    }

    #[inline(always)]
    fn protect<'g, T>(&'g self, slot: usize, src: &Atomic<T>) -> Result<Shared<'g, T>, Restart> {
        self.protect_root(slot, src)
    }

    #[inline(always)]
    fn confirm<'g, T>(
        &'g self,
        slot: usize,
        found: Unprotected<T>,
        src: &Atomic<T>,
    ) -> Result<Shared<'g, T>, Restart> {
        let word = found.assume_protected();
        if word.is_null() || self.publish(slot, word, src) == word {
            return Ok(word);
        }
        Err(Restart)
    }

    /// Nothing: nodes carry no birth.
    #[inline(always)]
    fn header(&self) -> u64 {
        0
    }

    #[inline(always)]
    unsafe fn retire_node(
        &self,
        ptr: *mut u8,
        _header: &Header,
        bytes: usize,
        reclaim: unsafe fn(*mut u8),
    ) {
        let birth = Birth::of(Epoch::ZERO);
        self.inner.retire(self.local, Retired { ptr, reclaim, birth, bytes });
    }

    fn renew(&self) -> Result<(), Restart> {
        Ok(())
    }

    /// Slots of its own: here nothing is shared.
    fn nested(&self) -> Self {
        self.inner.pin()
    }

    fn repin(&mut self) {
        self.hazards.clear(self.used.replace(0));
    }
}

impl Drop for Guard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.hazards.clear(self.used.get());
        self.local.give_back(self.hazards);
        if self.local.is_temporary.get() {
            self.inner.leave_temporary(self.local);
        }
    }
}

impl fmt::Debug for Guard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("used", &self.used.get()).finish()
    }
}

//! Leased epochs behind the scheme's traits: slots are ignored, a link's load may say [`Restart`].

use crate::atomic::{Atomic, Shared, Unprotected};
use crate::leased::collector::Collector;
use crate::leased::guard::Guard;
use crate::node::Header;
use crate::scheme::{Protect, Restart, Scheme};

// SAFETY: the argument of the module's page.
unsafe impl Scheme for Collector {
    const NAME: &'static str = "leased";
    const ROBUST: bool = true;
    const NEEDS_BIRTH: bool = true;
    const PER_POINTER: bool = false;
    const SLOTS: usize = usize::MAX;
    const FROZEN_LINKS_OK: bool = true;

    type Guard<'c> = Guard<'c>;

    #[inline(always)]
    fn pin(&self) -> Guard<'_> {
        Collector::pin(self)
    }

    #[inline(always)]
    fn owns(&self, guard: &Guard<'_>) -> bool {
        guard.is_from(self)
    }

    fn is_capped(&self) -> bool {
        Collector::is_capped(self)
    }

    fn flush(&self) {
        Collector::flush(self);
    }

    fn unreclaimed(&self) -> u64 {
        self.stats().unreclaimed
    }
}

// SAFETY: as above.
unsafe impl Protect for Guard<'_> {
    #[inline(always)]
    fn protect_root<'g, T>(
        &'g self,
        _slot: usize,
        src: &Atomic<T>,
    ) -> Result<Shared<'g, T>, Restart> {
        Ok(Guard::protect(self, src)?)
    }

    #[inline(always)]
    fn protect<'g, T>(&'g self, _slot: usize, src: &Atomic<T>) -> Result<Shared<'g, T>, Restart> {
        Ok(self.follow(src)?)
    }

    #[inline(always)]
    fn confirm<'g, T>(
        &'g self,
        _slot: usize,
        found: Unprotected<T>,
        _src: &Atomic<T>,
    ) -> Result<Shared<'g, T>, Restart> {
        Ok(found.protected(self)?)
    }

    #[inline(always)]
    fn header(&self) -> u64 {
        self.birth().get()
    }

    #[inline(always)]
    unsafe fn retire_node(
        &self,
        ptr: *mut u8,
        header: &Header,
        bytes: usize,
        reclaim: unsafe fn(*mut u8),
    ) {
        // SAFETY: the caller's promise.
        unsafe { self.retire_headed(ptr, header, bytes, reclaim) };
    }

    fn renew(&self) -> Result<(), Restart> {
        Ok(Guard::renew(self)?)
    }

    #[inline]
    fn nested(&self) -> Self {
        Guard::nested(self)
    }

    fn repin(&mut self) {
        if !Guard::repin(self) {
            self.extend_past_cap();
        }
    }

    fn overdraw(&self) {
        self.extend_past_cap();
    }
}

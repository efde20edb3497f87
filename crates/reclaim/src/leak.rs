//! **Leaking**: nothing is ever reclaimed. The lower bound of every bench, and a way to tell a reclamation bug from a structure's.
//!
//! - Progress: everything is wait-free. Memory: unbounded by intention; the nodes stay allocated until the process ends.
//! - Orderings: a load is an Acquire load and nothing else.
//!
//! # Examples
//! ```
//! use stillpoint_reclaim::{Scheme, leak::Leak};
//!
//! let scheme = Leak::new();
//! drop(scheme.pin());
//! assert_eq!(scheme.unreclaimed(), 0);
//! ```

use crate::node::Header;
use crate::plain_loads::plain_loads;
use crate::scheme::{Protect, Scheme};
use core::marker::PhantomData;
use std::sync::Arc;
use stillpoint_primitive::{OwnerCounter, PerThread, thread_slot};

/// The collector that collects nothing.
#[derive(Clone, Default)]
pub struct Leak {
    retired: Arc<PerThread<OwnerCounter>>,
}

impl Leak {
    /// A collector.
    pub fn new() -> Self {
        Leak::default()
    }
}

/// Protects by the absence of reclamation.
pub struct Guard<'c> {
    collector: &'c Leak,
    /// Not `Send`, like every other guard.
    not_send: PhantomData<*mut ()>,
}

// SAFETY: nothing is reclaimed.
unsafe impl Scheme for Leak {
    const NAME: &'static str = "leak";
    const ROBUST: bool = false;
    const NEEDS_BIRTH: bool = false;
    const PER_POINTER: bool = false;
    const SLOTS: usize = usize::MAX;
    const FROZEN_LINKS_OK: bool = true;

    type Guard<'c> = Guard<'c>;

    #[inline(always)]
    fn pin(&self) -> Guard<'_> {
        Guard { collector: self, not_send: PhantomData }
    }

    fn owns(&self, guard: &Guard<'_>) -> bool {
        Arc::ptr_eq(&self.retired, &guard.collector.retired)
    }

    fn flush(&self) {}

    fn unreclaimed(&self) -> u64 {
        self.retired.iter().map(OwnerCounter::get).sum()
    }
}

// SAFETY: nothing is reclaimed.
unsafe impl Protect for Guard<'_> {
    plain_loads!();

    #[inline(always)]
    fn header(&self) -> u64 {
        0
    }

    #[inline(always)]
    unsafe fn retire_node(&self, _: *mut u8, _: &Header, _: usize, _: unsafe fn(*mut u8)) {
        // A thread past its exit has no slot; its retirements are not counted.
        if let Some(slot) = thread_slot::claim_current() {
            self.collector.retired.mark_used(slot);
            self.collector.retired.get_or_grow(slot).add(1);
        }
    }

    fn nested(&self) -> Self {
        self.collector.pin()
    }

    fn repin(&mut self) {}
}

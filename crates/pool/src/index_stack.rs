//! [`IndexStack`]: a lock-free stack of numbers whose links lie beside what they number.
//!
//! ```text
//! head   u64 = tag (32) | number + 1 (32)      0 in the low half: empty
//! ```
//! A pop reads `head`, then the top's link, then CASes; between the two the top may have been popped and pushed again with another link
//! (ABA), so every push moves the tag on. What is numbered stays mapped, so the stale read of a link is harmless.
//!
//! The tag wraps around: a thread that stops between its load and its CAS while others push a multiple of 2^32 times, exactly, and leave the
//! same number on top, would pop it with an old link. A push hands a whole magazine on, or frees a handle's slot: at one in 20 ns, without
//! a pause, that is a stop of at least 85 s, which then has to end within one push of the right one among 2^32.
//!
//! Tags: `[push]` Release CAS: what the number stands for comes with it; `[pop]` Acquire CAS and load.

use stillpoint_primitive::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What a model may take out, to show that it is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mutation {
    None,
    #[cfg(all(test, any(stillpoint_loom, stillpoint_shuttle)))]
    NoTag,
}

impl Mutation {
    fn tag_after(self, tag: u64) -> u64 {
        match self {
            Mutation::None => tag + 1,
            #[cfg(all(test, any(stillpoint_loom, stillpoint_shuttle)))]
            Mutation::NoTag => 0,
        }
    }
}

pub(crate) struct IndexStack {
    head: AtomicU64,
}

const NUMBER_MASK: u64 = u32::MAX as u64;

impl IndexStack {
    pub(crate) fn new() -> IndexStack {
        IndexStack { head: AtomicU64::new(0) }
    }

    /// Pushes a number that is not in the stack, whose link this is.
    pub(crate) fn push(&self, number: u32, link: &AtomicU32, mutation: Mutation) {
        // Relaxed [push]: compared only.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // Relaxed [push]: published by the CAS.
            link.store(head as u32, Ordering::Relaxed);
            let tag = mutation.tag_after(head >> 32);
            let new = (tag << 32) | u64::from(number + 1);
            // Release [push]: see the header; Relaxed [push] on failure: again.
            match self.head.compare_exchange_weak(head, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Pops a number.
    pub(crate) fn pop<'l>(&self, link_of: impl Fn(u32) -> &'l AtomicU32) -> Option<u32> {
        // Acquire [pop]: what it numbers is in place.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let number = ((head & NUMBER_MASK) as u32).checked_sub(1)?;
            // Relaxed [pop]: checked by the CAS.
            let next = link_of(number).load(Ordering::Relaxed);
            let new = (head & !NUMBER_MASK) | u64::from(next);
            // Acquire [pop]: takes over what it stands for; Acquire [pop] on failure: as above.
            match self.head.compare_exchange_weak(head, new, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Some(number),
                Err(now) => head = now,
            }
        }
    }
}

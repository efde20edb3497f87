//! [`Lines`]: a table's overflow lines, in blocks, so that freeing a table does not visit its bins.
//!
//! Tags: `[block]` a block is pushed by a Release CAS, found by Acquire loads; `[line]` which line is whose: a counter in the block.

use super::bin::{LINE_SLOTS, Line};
use stillpoint_primitive::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use stillpoint_reclaim::Atomic;

/// Lines of a block: four kilobytes.
const BLOCK_LINES: usize = if cfg!(any(stillpoint_loom, stillpoint_shuttle)) { 1 } else { 63 };

struct Block<K, V> {
    older: *mut Block<K, V>,
    taken: AtomicUsize,
    lines: [Line<K, V>; BLOCK_LINES],
}

pub(super) struct Lines<K, V> {
    newest: AtomicPtr<Block<K, V>>,
}

impl<K, V> Lines<K, V> {
    pub(super) fn new() -> Self {
        Lines { newest: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// A line that is the caller's to fill.
    pub(super) fn take(&self) -> &Line<K, V> {
        loop {
            // Acquire [block]: pairs with the CAS below
            let newest = self.newest.load(Ordering::Acquire);
            // SAFETY: null, or a block that lives as long as this.
            if let Some(block) = unsafe { newest.as_ref() } {
                // Relaxed [line]: only says which is whose
                let at = block.taken.fetch_add(1, Ordering::Relaxed);
                if let Some(line) = block.lines.get(at) {
                    return line;
                }
            }
            self.push(newest);
        }
    }

    #[cold]
    fn push(&self, newest: *mut Block<K, V>) {
        let block = Box::into_raw(Box::new(Block {
            older: newest,
            taken: AtomicUsize::new(0),
            lines: std::array::from_fn(|_| Line {
                marks: stillpoint_primitive::sync::atomic::AtomicU64::new(0),
                slots: std::array::from_fn::<_, LINE_SLOTS, _>(|_| Atomic::null()),
                link: AtomicPtr::new(std::ptr::null_mut()),
            }),
        }));
        // Release [block]: the block's contents; Relaxed [block] on failure: nothing is learnt
        if self
            .newest
            .compare_exchange(newest, block, Ordering::Release, Ordering::Relaxed)
            .is_err()
        {
            // SAFETY: the CAS failed, so nobody else has seen it.
            drop(unsafe { Box::from_raw(block) });
        }
    }
}

impl<K, V> Drop for Lines<K, V> {
    fn drop(&mut self) {
        // Acquire [block]: `&mut self`
        let mut block = self.newest.load(Ordering::Acquire);
        while !block.is_null() {
            // SAFETY: made by `Box::into_raw` in `push`, freed only here.
            block = unsafe { Box::from_raw(block) }.older;
        }
    }
}

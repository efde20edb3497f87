//! [`Lines`]: a table's overflow lines, in blocks, so that freeing a table does not visit its bins.
//!
//! Tags: `[block]` a block is pushed by a Release CAS, found by Acquire loads; `[line]` which line is whose: a counter in the block.

use stillpoint_primitive::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Lines of a block: four kilobytes.
const BLOCK_LINES: usize = if cfg!(any(stillpoint_loom, stillpoint_shuttle)) { 1 } else { 63 };

struct Block<L> {
    older: *mut Block<L>,
    taken: AtomicUsize,
    lines: [L; BLOCK_LINES],
}

/// Lines of 64 bytes each, given out one by one and freed together.
pub(crate) struct Lines<L> {
    newest: AtomicPtr<Block<L>>,
}

impl<L: Default> Lines<L> {
    pub(crate) fn new() -> Self {
        Lines { newest: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// What so many lines take, if none was taken in vain.
    pub(crate) fn bytes_of(lines: usize) -> usize {
        lines.div_ceil(BLOCK_LINES) * size_of::<Block<L>>()
    }

    /// A line that is the caller's to fill.
    pub(crate) fn take(&self) -> &L {
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
    fn push(&self, newest: *mut Block<L>) {
        let block = Box::into_raw(Box::new(Block {
            older: newest,
            taken: AtomicUsize::new(0),
            lines: std::array::from_fn(|_| L::default()),
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

impl<L> Drop for Lines<L> {
    fn drop(&mut self) {
        // Acquire [block]: `&mut self`
        let mut block = self.newest.load(Ordering::Acquire);
        while !block.is_null() {
            // SAFETY: made by `Box::into_raw` in `push`, freed only here.
            block = unsafe { Box::from_raw(block) }.older;
        }
    }
}

#[cfg(all(test, not(any(stillpoint_loom, stillpoint_shuttle))))]
mod tests {
    use super::*;
    use stillpoint_primitive::sync::atomic::AtomicU64;

    #[repr(align(64))]
    #[derive(Default)]
    struct Line(AtomicU64);

    #[test]
    fn each_line_is_given_out_once_whoever_asks() {
        let lines = Lines::<Line>::new();
        let each = 4 * BLOCK_LINES + 1;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..each {
                        // Relaxed [line]: the count is looked at by nobody else
                        assert_eq!(lines.take().0.fetch_add(1, Ordering::Relaxed), 0);
                    }
                });
            }
        });
        assert_eq!(Lines::<Line>::bytes_of(0), 0);
        assert_eq!(Lines::<Line>::bytes_of(BLOCK_LINES + 1), 2 * 4096);
    }
}

//! [`SideWord`]: 32 bits beside a block of memory, handed from thread to thread with the block.
//!
//! Always `std`'s atomic, under the model checkers too: such words lie in zeroed memory, where a checker's atomics cannot be.
//!
//! Tags: `[side]` both sites are here.

use core::sync::atomic::{AtomicU32, Ordering};

/// A word that says something about a block. All zeroes is a valid one, which reads 0.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct SideWord(AtomicU32);

impl SideWord {
    /// Sets the word; ordered by whatever hands the block on.
    ///
    /// # Progress
    /// Wait-free.
    #[inline(always)]
    pub fn set(&self, value: u32) {
        // Relaxed [side]: see above.
        self.0.store(value, Ordering::Relaxed);
    }

    /// The word.
    ///
    /// # Progress
    /// Wait-free.
    #[inline(always)]
    pub fn get(&self) -> u32 {
        // Relaxed [side]: see above.
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::SideWord;

    #[test]
    fn keeps_what_was_set() {
        let word = SideWord::default();
        assert_eq!(word.get(), 0);
        word.set(7);
        assert_eq!(word.get(), 7);
    }
}

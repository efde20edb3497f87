//! [`Len`]: how many keys there are, counted by each thread for itself.

use stillpoint_primitive::{CachePadded, OwnerCounter, PerThread, thread_slot};

/// Threads of a map's first segment of counters: a kilobyte or two.
const THREADS: usize = 16;

pub(crate) struct Len {
    threads: PerThread<CachePadded<OwnerCounter>, THREADS>,
    /// Of threads past their exit, which have no number any more.
    others: OwnerCounter,
}

impl Len {
    pub(crate) fn new() -> Self {
        Len { threads: PerThread::new(), others: OwnerCounter::new() }
    }

    /// Adds to what this thread has counted; wraps below 0.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        match self.threads.get(thread_slot::current_or_max()) {
            Some(counter) if counter.get() != 0 => {
                counter.add(n);
            }
            _ => self.add_slow(n),
        }
    }

    #[cold]
    fn add_slow(&self, n: u64) {
        let Some(slot) = thread_slot::claim_current() else { return self.others.add_shared(n) };
        self.threads.mark_used(slot);
        self.threads.get_or_grow(slot).add(n);
    }

    /// The sum: exact when nobody adds.
    pub(crate) fn sum(&self) -> usize {
        let threads = self.threads.iter().map(|counter| counter.get());
        let sum = threads.fold(self.others.get(), u64::wrapping_add);
        usize::try_from(sum as i64).unwrap_or(0)
    }
}

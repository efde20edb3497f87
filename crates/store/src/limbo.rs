//! Limbo: where old versions wait that a lease needed when they were superseded.
//!
//! ```text
//!  64 shards, a thread begins with its own:   lease s ─▶ [(space, hash, stamp) …]   lease s' ─▶ …
//! ```
//! An entry names one version of one key: by the key's hash and the version's stamp, so 24 bytes and no copy of the key.
//!
//! # Invariants
//! 1. Every version that is superseded and still linked has its own entry, or a thread is just looking at it, or the sweep is called for.
//!    (Entries may outlive their version; the reverse would be a leak.)
//! 2. An entry waits for one lease, and is looked at again when that lease has ended; then its version is cut out, or the entry waits for
//!    another lease. So the work follows the garbage, not the data, and a version is looked at no more often than leases needed it.
//! 3. No writer waits: a shard whose lock is taken is passed by; if all were taken the sweep is called for, which walks the whole index.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[waiting]` | Relaxed: a hint that says whether a look at a shard is worth while; the lock orders the entries |

use crate::call::Call;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, TryLockError};
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::sync::atomic::{AtomicUsize, Ordering};
use stillpoint_primitive::thread_slot;

const SHARDS: usize = 64;
/// Entries of one chunk, so that adding one never moves many.
const CHUNK: usize = 1024;

/// A version that waits to be cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) hash: u64,
    pub(crate) stamp: u64,
    pub(crate) space: u8,
}

/// To wait for no lease: to be looked at as soon as possible.
pub(crate) const NO_LEASE: u64 = 0;

/// Chunks of entries that wait for one lease; only the last one is not full.
type Bucket = Vec<Vec<Waiting>>;

#[derive(Default)]
struct Shard {
    waiting: AtomicUsize,
    buckets: Mutex<BTreeMap<u64, Bucket>>,
}

pub(crate) struct Limbo {
    shards: Box<[CachePadded<Shard>]>,
    /// A sweep sees what was installed before it was called for.
    sweep: Call,
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl Limbo {
    pub(crate) fn new() -> Self {
        Limbo {
            shards: (0..SHARDS).map(|_| CachePadded::default()).collect(),
            sweep: Call::default(),
        }
    }

    fn own() -> usize {
        thread_slot::current().unwrap_or(0) % SHARDS
    }

    /// Lets a version wait for the end of `lease`.
    pub(crate) fn push(&self, lease: u64, entry: Waiting) {
        let own = Self::own();
        for shard in (0..SHARDS).map(|step| &self.shards[(own + step) % SHARDS]) {
            if let Some(mut buckets) = try_lock(&shard.buckets) {
                add(buckets.entry(lease).or_default(), entry);
                // Relaxed [waiting]: a hint
                shard.waiting.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        self.sweep.call();
    }

    /// Whether the calling thread's own shard holds anything.
    #[inline]
    pub(crate) fn own_waits(&self) -> bool {
        // Relaxed [waiting]: a hint
        self.shards[Self::own()].waiting.load(Ordering::Relaxed) != 0
    }

    /// Takes up to `most` entries out of the own shard that wait for no live lease.
    pub(crate) fn take_own(&self, most: usize, is_live: impl Fn(u64) -> bool) -> Vec<Waiting> {
        self.take(&self.shards[Self::own()], most, &is_live)
    }

    /// Takes up to about `most` entries out of all shards that wait for no live lease.
    pub(crate) fn take_all(&self, most: usize, is_live: impl Fn(u64) -> bool) -> Vec<Waiting> {
        let mut taken = Vec::new();
        for shard in &self.shards {
            if taken.len() >= most {
                break;
            }
            taken.append(&mut self.take(shard, most - taken.len(), &is_live));
        }
        taken
    }

    fn take(&self, shard: &Shard, most: usize, is_live: &dyn Fn(u64) -> bool) -> Vec<Waiting> {
        // Relaxed [waiting]: a hint
        if shard.waiting.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let Some(mut buckets) = try_lock(&shard.buckets) else { return Vec::new() };
        let mut taken = Vec::new();
        let ended: Vec<u64> = buckets
            .keys()
            .copied()
            .filter(|lease| *lease == NO_LEASE || !is_live(*lease))
            .take(most)
            .collect();
        for lease in ended {
            if let Some(bucket) = buckets.get_mut(&lease) {
                drain(bucket, most, &mut taken);
                if bucket.is_empty() {
                    buckets.remove(&lease);
                }
            }
            if taken.len() >= most {
                break;
            }
        }
        // Relaxed [waiting]: a hint
        shard.waiting.fetch_sub(taken.len(), Ordering::Relaxed);
        taken
    }

    /// Entries that wait.
    pub(crate) fn len(&self) -> usize {
        // Relaxed [waiting]: a statistic
        self.shards.iter().map(|shard| shard.waiting.load(Ordering::Relaxed)).sum()
    }

    /// Whether the whole index must be walked; asking takes the duty over.
    pub(crate) fn take_sweep(&self) -> bool {
        self.sweep.take()
    }
}

fn add(bucket: &mut Bucket, entry: Waiting) {
    match bucket.last_mut() {
        Some(chunk) if chunk.len() < CHUNK => chunk.push(entry),
        _ => bucket.push(vec![entry]),
    }
}

/// Moves entries until `taken` has `most`.
fn drain(bucket: &mut Bucket, most: usize, taken: &mut Vec<Waiting>) {
    while taken.len() < most {
        let Some(chunk) = bucket.last_mut() else { return };
        let rest = chunk.len().saturating_sub(most - taken.len());
        taken.extend(chunk.drain(rest..));
        if rest == 0 {
            bucket.pop();
        }
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;

    fn entry(hash: u64) -> Waiting {
        Waiting { hash, stamp: hash, space: 0 }
    }

    #[test]
    fn entries_come_out_when_their_lease_has_ended_and_only_then() {
        let limbo = Limbo::new();
        for hash in 0..3000 {
            limbo.push(if hash % 2 == 0 { 5 } else { 6 }, entry(hash));
        }
        assert_eq!(limbo.len(), 3000);
        assert!(limbo.take_all(10_000, |_| true).is_empty());
        let odd = limbo.take_all(10_000, |lease| lease == 5);
        assert_eq!(odd.len(), 1500);
        assert!(odd.iter().all(|entry| entry.hash % 2 == 1));
        let mut rest = 0;
        while limbo.len() > 0 {
            rest += limbo.take_own(100, |_| false).len();
        }
        assert_eq!(rest, 1500);
    }

    #[test]
    fn a_writer_passes_by_locked_shards_and_calls_for_a_sweep_if_all_are_locked() {
        let limbo = Limbo::new();
        let locked: Vec<_> =
            limbo.shards.iter().map(|shard| shard.buckets.lock().unwrap()).collect();
        limbo.push(1, entry(1));
        drop(locked);
        assert!(limbo.take_sweep() && !limbo.take_sweep());
        assert_eq!(limbo.len(), 0);
    }
}

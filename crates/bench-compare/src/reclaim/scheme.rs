//! What the suite asks of a reclamation scheme: [`Scheme`] for places that hold a node each, [`StackScheme`] for a Treiber stack.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What a node holds: 16 bytes.
pub(crate) trait Payload: Send + Sync + 'static {
    fn new(value: u64) -> Self;
    fn value(&self) -> u64;
}

/// A payload that does nothing when it is dropped.
pub(crate) struct Plain(u64, #[expect(dead_code, reason = "makes the payload 16 bytes")] u64);

impl Payload for Plain {
    fn new(value: u64) -> Self {
        Plain(value, !value)
    }
    #[inline(always)]
    fn value(&self) -> u64 {
        self.0
    }
}

/// A payload whose drops are counted.
pub(crate) struct Counted(Plain);

impl Payload for Counted {
    fn new(value: u64) -> Self {
        Counted(Plain::new(value))
    }
    #[inline(always)]
    fn value(&self) -> u64 {
        self.0.value()
    }
}

const SHARDS: usize = 16;

/// A counter on two lines of its own.
#[repr(align(128))]
struct Shard(AtomicU64);

static DROPPED: [Shard; SHARDS] = [const { Shard(AtomicU64::new(0)) }; SHARDS];
static NEXT_SHARD: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    static SHARD: Cell<usize> = Cell::new(NEXT_SHARD.fetch_add(1, Ordering::Relaxed) % SHARDS);
}

impl Drop for Counted {
    fn drop(&mut self) {
        let shard = SHARD.try_with(Cell::get).unwrap_or(0);
        DROPPED[shard].0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many counted payloads have been dropped in this process.
pub(crate) fn dropped() -> u64 {
    DROPPED.iter().map(|shard| shard.0.load(Ordering::Relaxed)).sum()
}

/// Places that hold a node each, read under a guard and replaced by swap and retirement. A scheme lives as long as its process.
pub(crate) trait Scheme<P: Payload>: Sync + Sized + 'static {
    /// A place.
    type Slot: Send + Sync + 'static;
    /// What a thread keeps from one guard to the next.
    type Local: 'static;
    type Guard<'l>;

    fn new() -> Self;
    fn slot(&'static self, payload: P) -> Self::Slot;
    fn local(&'static self) -> Self::Local;
    fn pin<'l>(&'static self, local: &'l mut Self::Local) -> Self::Guard<'l>;
    /// Loads the place and reads the node.
    fn read(guard: &mut Self::Guard<'_>, slot: &Self::Slot) -> u64;
    /// Puts a new node there and retires the old one.
    fn replace(guard: &mut Self::Guard<'_>, slot: &Self::Slot, payload: P);

    /// A pin and its end, and nothing else.
    #[inline(always)]
    fn enter_and_leave(&'static self, local: &mut Self::Local) {
        drop(self.pin(local));
    }

    /// What the scheme's formula allows behind one guard, which sleeps or goes on loading, if it has one: nodes, `live` of which were reachable at the pin.
    fn bound(&self, _live: u64, _goes_on: bool) -> Option<u64> {
        None
    }
}

/// Treiber's stack.
pub(crate) trait StackScheme: Sync + 'static {
    type Stack: Send + Sync + 'static;
    /// What a thread keeps from one operation to the next.
    type StackLocal;

    fn stack() -> Self::Stack;
    fn stack_local() -> Self::StackLocal;
    fn push(stack: &'static Self::Stack, local: &mut Self::StackLocal, value: u64);
    fn pop(stack: &'static Self::Stack, local: &mut Self::StackLocal) -> Option<u64>;
}

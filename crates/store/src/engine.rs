//! [`Engine`]: what all handles of one store share.
//!
//! ```text
//!  Engine ─┬─ spaces: VersionIndex …      one per key space; all of one collector and one pool
//!          ├─ ordered: OrderedIndex …     of the spaces that are to have one
//!          ├─ clock · leases              timestamps, and who still reads at which
//!          ├─ limbo · expiry              what waits to be cut out, what waits to expire
//!          ├─ stream                      every committed change, if it is wanted
//!          ├─ waiters · loads             who sleeps until a key changes, or is loaded
//!          └─ counters · settings
//! ```
//!
//! # Invariants
//! 1. A guard lives no longer than one operation, or one step of an iteration. What outlives operations are leases; they keep versions, not memory.
//! 2. The collector has no longest lease, so its `Expired` never comes. It needs none: by 1 no user can hold a guard and go on loading, and
//!    what one operation holds back ends with it.

use crate::cache::Loads;
use crate::commit_clock::CommitClock;
use crate::config::{Config, StreamConfig};
use crate::counters::Counters;
use crate::descriptor::Descriptor;
use crate::eviction::Evictor;
use crate::expiry::Expiry;
use crate::lease::LeaseRegistry;
use crate::limbo::Limbo;
use crate::listener::Listeners;
use crate::ordered::OrderedIndex;
use crate::settings::Settings;
use crate::stream::{Published, Stream};
use crate::waiters::Waiters;
use std::sync::Arc;
use stillpoint_pool::{Pool, PoolConfig};
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::sync::atomic::AtomicBool;
use stillpoint_structures::{Collector, Expired, Head, VersionIndex, VersionRef};

pub(crate) type Index<O> = VersionIndex<O, Descriptor>;
pub(crate) type Version<'g, O> = VersionRef<'g, O, Descriptor>;
pub(crate) type HeadOf<'g, O> = Head<'g, O, Descriptor>;

pub(crate) struct Engine<O: Send + Sync + 'static> {
    spaces: Box<[Index<O>]>,
    ordered: Box<[Option<OrderedIndex>]>,
    pub(crate) clock: CommitClock,
    pub(crate) leases: LeaseRegistry,
    pub(crate) limbo: Limbo,
    pub(crate) expiry: Expiry,
    pub(crate) counters: Counters,
    pub(crate) settings: Settings,
    pub(crate) stream: Option<Published<O>>,
    pub(crate) evictor: Evictor,
    pub(crate) listeners: Listeners,
    /// Taken by the one transaction that others must be patient with.
    pub(crate) priority: CachePadded<AtomicBool>,
    pub(crate) waiters: Waiters,
    pub(crate) loads: Loads<O>,
    pub(crate) collector: Collector,
    pub(crate) pool: Pool,
    #[cfg(feature = "steps")]
    pub(crate) hook: crate::step::Hook,
    #[cfg(stillpoint_loom)]
    pub(crate) mutation: crate::mutation::Mutation,
}

/// The value of an operation that fails only past a cap on leases.
#[inline(always)]
pub(crate) fn uncapped<T>(result: Result<T, Expired>) -> T {
    result.expect("the store's collector does not cap leases")
}

impl<O: Send + Sync + 'static> Engine<O> {
    pub(crate) fn new(config: &Config, object_bytes: fn(&O) -> usize) -> Self {
        let collector =
            Collector::builder().max_lease_ticks(None).ask_ahead(Pool::prefetch_header).build();
        let of_pool = PoolConfig::default();
        let huge = of_pool.huge_pages_after_bytes.filter(|_| config.huge_pages);
        let pool = Pool::with_config(PoolConfig { huge_pages_after_bytes: huge, ..of_pool });
        Engine {
            spaces: (0..config.spaces)
                .map(|_| VersionIndex::new(collector.clone(), pool.clone()))
                .map(|index: Index<O>| index.with_object_bytes(object_bytes))
                .collect(),
            ordered: (0..config.spaces)
                .map(|space| config.ordered.contains(space))
                .map(|is| is.then(|| OrderedIndex::new(collector.clone(), pool.clone())))
                .collect(),
            clock: CommitClock::starting_at(config.first_timestamp),
            leases: LeaseRegistry::new(),
            limbo: Limbo::new(),
            expiry: Expiry::new(),
            counters: Counters::new(usize::from(config.spaces)),
            settings: Settings::new(config),
            stream: Engine::stream_of(config),
            evictor: Evictor::new(config.max_bytes, &config.eviction),
            listeners: Listeners::default(),
            priority: CachePadded::new(AtomicBool::new(false)),
            waiters: Waiters::new(),
            loads: Loads::new(),
            collector,
            pool,
            #[cfg(feature = "steps")]
            hook: crate::step::Hook::default(),
            #[cfg(stillpoint_loom)]
            mutation: crate::mutation::Mutation::None,
        }
    }

    /// Whether a model wants this step left out.
    #[cfg(stillpoint_loom)]
    pub(crate) fn lacks(&self, step: crate::mutation::Mutation) -> bool {
        self.mutation == step
    }

    fn stream_of(config: &Config) -> Option<Published<O>> {
        let stream = config.stream.clone();
        let stream = stream.or((!config.retention.is_empty()).then(StreamConfig::default));
        stream.map(|stream| Published(Arc::new(Stream::new(&stream, &config.retention))))
    }

    /// The index of a space.
    ///
    /// # Panics
    /// If the store has no such space.
    #[inline]
    pub(crate) fn space(&self, space: u8) -> &Index<O> {
        match self.spaces.get(usize::from(space)) {
            Some(index) => index,
            None => panic!("space {space} of a store with {}", self.spaces.len()),
        }
    }

    /// Makes room for so many keys in a space that has none; nothing if there is no such space.
    pub(crate) fn reserve(&mut self, space: u8, keys: usize) {
        if let Some(index) = self.spaces.get_mut(usize::from(space)) {
            index.reserve(keys);
        }
    }

    pub(crate) fn index_bytes(&self) -> u64 {
        self.spaces().map(|(_, index)| index.stats().table_bytes as u64).sum()
    }

    /// The ordered index of a space, if it has one.
    #[inline]
    pub(crate) fn ordered(&self, space: u8) -> Option<&OrderedIndex> {
        self.ordered.get(usize::from(space)).and_then(Option::as_ref)
    }

    /// The ordered index of a space.
    ///
    /// # Panics
    /// If the store has no such space, or its keys are not kept in order.
    pub(crate) fn expect_ordered(&self, space: u8) -> &OrderedIndex {
        match self.ordered(space) {
            Some(ordered) => ordered,
            None => panic!("space {space} is not ordered: see `Config::ordered`"),
        }
    }

    pub(crate) fn spaces(&self) -> impl Iterator<Item = (u8, &Index<O>)> {
        (0..=u8::MAX).zip(&self.spaces)
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;

    /// The iterator took one number more than there are, and overflowed where that is checked.
    #[test]
    fn a_walk_over_255_spaces_ends() {
        let engine: Engine<()> =
            Engine::new(&Config { spaces: u8::MAX, ..Config::default() }, |()| 0);
        let mut count = 0;
        for (space, _) in engine.spaces() {
            assert_eq!(space, count);
            count += 1;
        }
        assert_eq!(count, u8::MAX);
    }
}

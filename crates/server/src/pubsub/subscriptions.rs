//! [`Subscriptions`]: what one connection listens to.

use super::registry::{Kind, Registry};
use crate::clients::Card;
use std::collections::BTreeSet;
use std::sync::Arc;

type Names = BTreeSet<Box<[u8]>>;

/// The connection's side of the registry.
#[derive(Clone, Default)]
pub(crate) struct Subscriptions {
    channels: Names,
    patterns: Names,
    shards: Names,
    bytes: usize,
}

/// What a subscription takes beside its name, here and in the registry.
const SUBSCRIPTION_BYTES: usize = 160;

fn bytes_of(name: &[u8]) -> usize {
    SUBSCRIPTION_BYTES + 2 * name.len()
}

impl Subscriptions {
    pub(crate) fn of(&self, kind: Kind) -> &Names {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shards,
        }
    }
    fn of_mut(&mut self, kind: Kind) -> &mut Names {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }
    /// The figure in the reply to a subscription of this kind: shard channels are counted for themselves.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Shard => self.shards.len(),
            Kind::Channel | Kind::Pattern => self.channels.len() + self.patterns.len(),
        }
    }
    /// Bytes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.count(Kind::Channel) + self.count(Kind::Shard) == 0
    }
    pub(crate) fn add(&mut self, kind: Kind, name: &[u8], registry: &Registry, card: &Arc<Card>) {
        if self.of_mut(kind).insert(name.into()) {
            self.bytes += bytes_of(name);
            registry.subscribe(kind, name, card);
        }
    }
    pub(crate) fn remove(&mut self, kind: Kind, name: &[u8], registry: &Registry, id: u64) {
        if self.of_mut(kind).remove(name) {
            self.bytes -= bytes_of(name);
            registry.unsubscribe(kind, name, id);
        }
    }
    /// Ends all of them.
    pub(crate) fn clear(&mut self, registry: &Registry, id: u64) {
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            for name in std::mem::take(self.of_mut(kind)) {
                registry.unsubscribe(kind, &name, id);
            }
        }
        self.bytes = 0;
    }
    /// Goes back to what was subscribed to before a transaction that has to be run again.
    pub(crate) fn restore(
        &mut self,
        before: &Subscriptions,
        registry: &Registry,
        card: &Arc<Card>,
    ) {
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            let added: Vec<_> = self.of(kind).difference(before.of(kind)).cloned().collect();
            added.iter().for_each(|name| self.remove(kind, name, registry, card.id));
            let gone: Vec<_> = before.of(kind).difference(self.of(kind)).cloned().collect();
            gone.iter().for_each(|name| self.add(kind, name, registry, card));
        }
    }
}

//! What the server uses of memory, as far as the system and the store tell.

use crate::clients::Card;
use crate::env::{Env, Server};

/// Bytes that the store accounts for: entries with their old versions, objects, the index.
pub(crate) fn used_bytes(server: &Server) -> u64 {
    let stats = server.store.stats();
    stats.live_bytes + stats.object_bytes + stats.old_version_bytes + stats.index_bytes
}

/// Bytes of the process in memory (`VmRSS`).
pub(crate) fn resident_bytes() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/statm") else { return 0 };
    let pages = text.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// Bytes of memory that the machine has.
pub(crate) fn system_bytes() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/meminfo") else { return 0 };
    let kib = text.lines().next().and_then(|l| l.split_ascii_whitespace().nth(1)?.parse().ok());
    kib.map_or(0, |kib: u64| kib * 1024)
}

/// Disconnects the clients with the largest buffers, as long as all of them together take more than `maxmemory-clients`.
pub(crate) fn evict_clients(env: &Env) {
    let limit = env.settings.maxmemory_clients;
    if limit == 0 {
        return;
    }
    let bytes = |card: &Card| {
        let waiting = card.inbox.waiting() as u64;
        let input = card.input_bytes.get() + card.input_spare_bytes.get();
        input + card.queued_bytes.get() + card.output_bytes.get() + waiting
    };
    let mut cards = env.server.clients.all();
    cards.retain(|card| card.killed.get() == 0);
    let mut sum: u64 = cards.iter().map(|card| bytes(card)).sum();
    cards.retain(|card| card.no_evict.get() == 0);
    cards.sort_unstable_by_key(|card| bytes(card));
    while sum > limit
        && let Some(card) = cards.pop()
        && bytes(&card) > 0
    {
        sum -= bytes(&card);
        env.server.kill(&card);
        env.server.evicted_clients.add(1);
    }
}

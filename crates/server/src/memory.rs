//! What the server uses of memory, as far as the system and the store tell.

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
    let mut cards = env.server.clients.all();
    cards.retain(|card| card.killed.get() == 0);
    let mut sum: u64 = cards.iter().map(|card| card.held_bytes()).sum();
    cards.retain(|card| card.no_evict.get() == 0);
    cards.sort_unstable_by_key(|card| card.held_bytes());
    while sum > limit
        && let Some(card) = cards.pop()
        && card.held_bytes() > 0
    {
        // Other loops' clients go on meanwhile.
        sum = sum.saturating_sub(card.held_bytes());
        env.server.kill(&card);
        env.server.evicted_clients.add(1);
    }
}

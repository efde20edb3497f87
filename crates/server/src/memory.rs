//! What the server uses of memory, as far as the system and the store tell.

use crate::env::Server;

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

//! What a spike leaves behind, by the system's own count. Alone in its process, so that nobody else's memory counts.
#![cfg(all(target_os = "linux", not(any(stillpoint_loom, stillpoint_shuttle))))]
#![cfg(not(stillpoint_system_alloc))]

use std::ptr::NonNull;
use stillpoint_pool::Pool;

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn fill(pool: &Pool, list: &mut Vec<NonNull<u8>>, count: usize) -> usize {
    let mut total = 0;
    for i in 0..count {
        let bytes = [64, 104, 200, 1_000][i % 4];
        let block = pool.alloc(bytes).unwrap();
        // SAFETY: ours, and so long.
        unsafe { block.write_bytes(7, bytes) };
        list.push(block);
        total += bytes;
    }
    total
}

#[test]
fn after_a_spike_and_a_trim_resident_memory_is_at_most_a_fifth_above_what_lives() {
    const LIVE: usize = 40_000;
    // The lists themselves count before.
    let mut live = vec![NonNull::dangling(); LIVE];
    let mut spike = vec![NonNull::dangling(); 10 * LIVE];
    live.clear();
    spike.clear();
    let pool = Pool::new();
    let before = resident_bytes();
    let live_bytes = fill(&pool, &mut live, LIVE);
    fill(&pool, &mut spike, 10 * LIVE);
    assert!(resident_bytes() - before > 10 * live_bytes);
    // In the order of a shuffle: the depot's magazines hold blocks from everywhere.
    for i in 0..spike.len() {
        let other = (i * 2_654_435_761) % spike.len();
        spike.swap(i, other);
    }
    // SAFETY: allocated above, freed once.
    unsafe { Pool::free_batch(&spike) };
    let back = pool.trim();
    let after = resident_bytes() - before;
    assert!(after * 10 <= live_bytes * 12, "{after} bytes for {live_bytes}, {back} given back");
    // SAFETY: as above.
    unsafe { Pool::free_batch(&live) };
}

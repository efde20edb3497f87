//! What is mapped for pools goes with them. Alone in its process: the system's allocator maps 64 MiB for each of the first threads of others.
#![cfg(all(target_os = "linux", not(any(stillpoint_loom, stillpoint_shuttle))))]

#[allow(dead_code, reason = "the other test that includes it frees blocks by itself")]
mod parting;

use parting::play;
use stillpoint_pool::PoolConfig;

fn mapped_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_pool_whose_handle_goes_first_leaves_nothing_behind() {
    (0..20).for_each(|_| play(PoolConfig::default()));
    let before = mapped_bytes();
    (0..1_200).for_each(|_| play(PoolConfig::default()));
    // 1,200 cores left behind would be 2,400 MiB of address space; the system's allocator may begin an arena of 64 MiB or two more. (A sanitizer's own does not count.)
    let grown = mapped_bytes().saturating_sub(before);
    assert!(cfg!(stillpoint_system_alloc) || grown < 300 << 20, "{grown} bytes more are mapped");
}

//! What this process and thread have used: CPU time by the kernel's nanosecond clocks, memory by `/proc/self/status` (Linux).

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// CPU time of all threads of the process, those that ended included.
pub fn process_cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// CPU time of the calling thread.
pub fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Resident memory of the process now. 0 where there is no `/proc`.
pub fn rss_bytes() -> u64 {
    status_kib("VmRSS:") * 1024
}

/// The most that it ever was.
pub fn peak_rss_bytes() -> u64 {
    status_kib("VmHWM:") * 1024
}

fn status_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_run_and_memory_is_there() {
        let before = (process_cpu(), thread_cpu());
        let mut sum = 0u64;
        while thread_cpu() < before.1 + Duration::from_millis(2) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(process_cpu() > before.0);
        if std::path::Path::new("/proc/self/status").exists() {
            assert!(rss_bytes() > 0 && peak_rss_bytes() >= rss_bytes() / 2);
        }
    }
}

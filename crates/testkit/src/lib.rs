//! What tests, benches and examples share: a latency histogram, repeatable random numbers, Zipf-distributed keys, the process's own
//! CPU and memory.
#![forbid(unsafe_code)]

mod histogram;
mod random;
mod usage;
mod zipf;

pub use histogram::Histogram;
pub use random::Random;
pub use usage::{peak_rss_bytes, process_cpu, rss_bytes, thread_cpu};
pub use zipf::Zipf;

//! What tests, benches and examples share: recorded histories of calls and of transactions and their checks, counted objects, a latency histogram, keys, repeatable random
//! numbers, Zipf, the process's own CPU and memory.
#![forbid(unsafe_code)]

mod drop_counter;
mod histogram;
mod key;
pub mod linearizability;
#[cfg(stillpoint_shuttle)]
mod play;
mod random;
pub mod serializability;
mod usage;
mod zipf;

pub use drop_counter::{Counted, DropCounter};
pub use histogram::Histogram;
pub use key::{KEY_BYTES, key};
#[cfg(stillpoint_shuttle)]
pub use play::Play;
pub use random::Random;
pub use usage::{peak_rss_bytes, process_cpu, rss_bytes, thread_cpu};
pub use zipf::Zipf;

//! [`Options`]: how a durable store is opened, and [`Durability`]: what a finished write promises.

use std::time::Duration;
use stillpoint_store::Config;

/// When a write is finished, as its caller sees it. In every mode what is there after a crash is a cut: all changes up to some timestamp, and none
/// after it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// At once. The log follows as it can, and nobody asks the device: a crash takes what had not got there.
    None,
    /// When the change was handed to the system: it survives the process, `kill -9` included. About a second of it is lost with the power.
    Buffered,
    /// When it is on the device, together with all that came in `every` (or while the device was busy): it survives a power cut.
    Group {
        /// The device is asked no more often than that.
        every: Duration,
    },
    /// When it is on the device, which is asked at once: it survives a power cut. Writes that wait at the same time share one request.
    Always,
}

impl Durability {
    /// Whether writes wait for the log.
    pub(crate) fn holds_writers(self) -> bool {
        self != Durability::None
    }
}

/// How a durable store is opened. The files do not depend on any of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// What a finished write promises (default: [`Durability::Group`], 1 ms).
    pub durability: Durability,
    /// The settings of the store itself. Where its stream has none, it gets default ones; the first timestamp is set by what is found.
    pub store: Config,
    /// Bytes of a segment of the log (default 64 MiB). Recovery holds two of them in memory.
    pub segment_bytes: u64,
    /// A checkpoint is begun in the background when the log has grown by so much since the last one (default 256 MiB; `None`: only when
    /// [`DurableStore::checkpoint`](crate::DurableStore::checkpoint) is called).
    pub checkpoint_bytes: Option<u64>,
    /// Whether checkpoints are compressed (default true).
    pub compress: bool,
    /// Threads of recovery (default 0: as many as the machine runs at once).
    pub recovery_threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            durability: Durability::Group { every: Duration::from_millis(1) },
            store: Config::default(),
            segment_bytes: 64 << 20,
            checkpoint_bytes: Some(256 << 20),
            compress: true,
            recovery_threads: 0,
        }
    }
}

//! The thread that makes a checkpoint when the log has grown long.

use crate::durable::Inner;
use std::sync::{Arc, Weak};
use std::time::Duration;
use stillpoint_primitive::background;

/// How often the log's length is looked at.
const EVERY: Duration = Duration::from_millis(100);
/// After a failure it waits for so much more log, as part of what it waits for anyway.
const AGAIN_AFTER: u64 = 4;

/// Makes a checkpoint whenever the log has grown by `bytes`, what opening found of it included, until the store is closed.
///
/// # Panics
/// If the system gives no thread.
pub(crate) fn start<O: Send + Sync + 'static>(inner: &Arc<Inner<O>>, bytes: u64) {
    let due = bytes.saturating_sub(inner.recovery.log_bytes);
    let inner = Arc::downgrade(inner);
    background::spawn("stillpoint-checkpoint", move || run(&inner, due, bytes))
        .expect("a thread for checkpoints");
}

fn run<O: Send + Sync + 'static>(inner: &Weak<Inner<O>>, mut due: u64, bytes: u64) {
    loop {
        background::pause(EVERY);
        let Some(inner) = inner.upgrade() else { return };
        let progress = inner.desk.progress();
        if progress.has_ended {
            return;
        }
        if progress.written_bytes >= due {
            let wait = match inner.checkpoint() {
                Ok(_) => bytes,
                // The log goes on, and only grows longer; whoever calls `checkpoint` is told why.
                Err(_) => bytes / AGAIN_AFTER,
            };
            due = progress.written_bytes + wait;
        }
    }
}

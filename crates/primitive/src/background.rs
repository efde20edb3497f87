//! Threads of a library's own: maintenance beside its users' threads. Always the system's, also under a model checker, which never starts one.

use std::io;
use std::time::Duration;

/// Starts a thread of that name, and lets it go.
///
/// # Errors
/// The system gives no thread.
pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// Sleeps.
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

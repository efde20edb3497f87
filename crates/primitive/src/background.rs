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

/// A thread that one waits for.
#[derive(Debug)]
pub struct Worker(std::thread::JoinHandle<()>);

impl Worker {
    /// Starts a thread of that name.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<Worker> {
        std::thread::Builder::new().name(name.to_owned()).spawn(run).map(Worker)
    }

    /// Waits for its end, unless it is the calling thread itself; how it ended is its own business.
    ///
    /// # Progress
    /// Blocking.
    pub fn join(self) {
        if self.0.thread().id() != std::thread::current().id() {
            // A panic has been reported by the thread itself.
            drop(self.0.join());
        }
    }
}

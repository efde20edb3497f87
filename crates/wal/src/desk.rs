//! [`Desk`]: where others leave orders for the log's thread, and where it says how far it is.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What the log's thread is asked to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Orders {
    /// Bring everything up to this timestamp onto the device.
    pub(crate) sync_through: Option<u64>,
    /// End the segment.
    pub(crate) rotate: bool,
    /// Close the log.
    pub(crate) stop: bool,
}

/// How far the log is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    orders: Orders,
    /// Segments that were ended because somebody asked.
    rotations: u64,
    /// The segment that grows.
    pub(crate) segment: u64,
    /// Bytes written since the log was opened.
    pub(crate) written_bytes: u64,
    /// Everything up to this timestamp is on the device.
    pub(crate) synced_through: u64,
    pub(crate) has_ended: bool,
    failure: Option<Arc<str>>,
}

#[derive(Default)]
pub(crate) struct Desk {
    progress: Mutex<Progress>,
    changed: Condvar,
}

/// The log is closed or has failed.
pub(crate) struct Ended;

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn progress(&self) -> Progress {
        self.lock().clone()
    }

    /// Why the log has failed, if it has.
    pub(crate) fn failure(&self) -> Option<Arc<str>> {
        self.lock().failure.clone()
    }

    /// Whether the log is closed or has failed.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().has_ended
    }

    /// What is to be done.
    pub(crate) fn orders(&self) -> Orders {
        self.lock().orders
    }

    /// How far the log's thread is, and that it has done what it was asked.
    pub(crate) fn report(
        &self,
        done: &Orders,
        segment: u64,
        written_bytes: u64,
        synced_through: Option<u64>,
    ) {
        let mut progress = self.lock();
        progress.segment = segment;
        progress.written_bytes = written_bytes;
        progress.synced_through = progress.synced_through.max(synced_through.unwrap_or(0));
        if done.rotate {
            progress.orders.rotate = false;
            progress.rotations += 1;
        }
        if progress.orders.sync_through.is_some_and(|through| through <= progress.synced_through) {
            progress.orders.sync_through = None;
        }
        self.changed.notify_all();
    }

    /// The log's thread ends.
    pub(crate) fn end(&self, error: Option<io::Error>) {
        let mut progress = self.lock();
        progress.has_ended = true;
        progress.failure = error.map(|error| error.to_string().into());
        self.changed.notify_all();
    }

    fn wait_until(&self, done: impl Fn(&Progress) -> bool) -> Result<Progress, Ended> {
        let mut progress = self.lock();
        loop {
            if done(&progress) {
                return Ok(progress.clone());
            }
            if progress.has_ended {
                return Err(Ended);
            }
            progress = self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until everything up to `timestamp` is on the device.
    pub(crate) fn sync_through(&self, timestamp: u64) -> Result<(), Ended> {
        {
            let mut progress = self.lock();
            let wanted = progress.orders.sync_through.unwrap_or(0).max(timestamp);
            progress.orders.sync_through = Some(wanted);
        }
        self.wait_until(|progress| progress.synced_through >= timestamp).map(drop)
    }

    /// Lets the segment be ended; the number of the next one, which has nothing that was committed before this call returned in the one before.
    pub(crate) fn rotate(&self) -> Result<u64, Ended> {
        let before = {
            let mut progress = self.lock();
            progress.orders.rotate = true;
            progress.rotations
        };
        Ok(self.wait_until(|progress| progress.rotations > before)?.segment)
    }

    /// Lets the log be closed, and waits for that. Why it failed, if it did.
    pub(crate) fn stop(&self) -> Option<Arc<str>> {
        self.lock().orders.stop = true;
        // It ends in any case.
        let _ended = self.wait_until(|_| false);
        self.failure()
    }
}

//! [`Hold`]: while there is one, no connection begins a command that writes; those that run go on, and who reads notices nothing.
//! Nor does a key go whose time is over, lest a transaction that has read it run again; but for what a pass of the maintenance that is under way
//! removes yet.
//!
//! For a transaction that lost to others again and again and takes so long that it would for ever: Redis would have held up everybody from its beginning.

use crate::env::Server;
use std::sync::Arc;

/// One transaction's.
pub(crate) struct Hold(Arc<Server>);

impl Hold {
    pub(crate) fn new(server: &Arc<Server>) -> Self {
        server.holds.add(1);
        Hold(Arc::clone(server))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.holds.subtract(1);
        self.0.wake_all();
    }
}

//! One connection without its socket: bytes in, bytes out ([`Session`]).

mod buffer;
mod dispatch;
mod feed;
mod queue;
pub(crate) mod rights;
mod scout;
mod state;

pub(crate) use buffer::ReadBuffer;
pub(crate) use dispatch::{NO_REPLICAS, UNSAVED, admit, note_if_slow, note_shown, run, show};
pub(crate) use feed::{Progress, Session};
pub(crate) use queue::Queue;
pub(crate) use scout::Scout;
pub(crate) use state::{Mobility, ReplyMode, State};

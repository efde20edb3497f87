//! Channels for any number of senders and receivers, threads and tasks: [`bounded`] and [`unbounded`].
//!
//! ```text
//! Sender ─┐    ┌── buffer ──────────────────────────────┐    ┌─ Receiver
//! Sender ─┼──▶ │ ArrayQueue (bounded), or               │ ──▶┼─ Receiver     each value goes to one receiver,
//! Sender ─┘    │ SegmentQueue over a scheme (unbounded) │    └─ Receiver     first in, first out
//!              └────────────────────────────────────────┘
//!   senders' line: who waits for room          receivers' line: who waits for a value
//! ```
//!
//! | operation | progress |
//! |---|---|
//! | `try_send`, `try_recv` | that of the buffer (lock-free when unbounded); waking a sleeper takes a short lock |
//! | `send`, `recv`, their `…_timeout` and `…_deadline` forms, iteration, [`Select::wait`] | blocking while full or empty |
//! | `send_async`, `recv_async`, [`Select::wait_async`] | futures for any executor, cancel-safe |
//!
//! # Disconnection
//! - The last [`Sender`] gone: receivers get what is left, then [`RecvError`].
//! - The last [`Receiver`] gone: sending fails and gives the value back; what is left in the channel is dropped then, not when the last sender
//!   goes.
//! - Both wake all who wait.
//!
//! A channel without room (a rendezvous) is refused: [`bounded`] panics. Values need not be `'static`.
//!
//! # Cost
//! About 1 KiB and the buffer: a bounded one all at once, an unbounded one 32 values at a time. Each `unbounded()` has a collector of its own;
//! many channels do better to share one: [`unbounded_with`].
//!
//! How nobody sleeps through what he waits for: [the line's page](self), in `channel/waiters.rs`.
//!
//! # Examples
//! ```
//! use stillpoint_structures::channel;
//! use std::time::Duration;
//!
//! let (sender, receiver) = channel::bounded(2);
//! let worker = std::thread::spawn(move || receiver.iter().sum::<u64>());
//! for i in 0..100 {
//!     sender.send(i)?;
//! }
//! drop(sender);
//! assert_eq!(worker.join().unwrap(), 4950);
//!
//! let (_sender, receiver) = channel::unbounded::<u64>();
//! assert!(receiver.recv_timeout(Duration::from_millis(1)).is_err());
//! # Ok::<(), channel::SendError<u64>>(())
//! ```

mod core;
mod end;
mod error;
mod future;
mod parker;
mod receiver;
mod select;
mod sender;
mod waiters;

pub use error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
pub use future::{RecvFuture, SendFuture};
pub use receiver::{IntoIter, Iter, Receiver, TryIter};
pub use select::{Select, SelectFuture};
pub use sender::Sender;

use self::core::{Buffer, Core};
use crate::array_queue::ArrayQueue;
use crate::segment_queue::SegmentQueue;
use stillpoint_primitive::sync::Arc;
use stillpoint_reclaim::{Collector, Heap, NodeAlloc, Scheme};

/// A channel with room for `capacity` values; a send into a full one waits.
///
/// # Panics
/// When the capacity is 0: a rendezvous is not supported.
///
/// # Cost
/// Room for all values at once.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a channel of capacity 0 (a rendezvous) is not supported");
    ends(Core::new(Buffer::Bounded(ArrayQueue::new(capacity))))
}

/// A channel that takes whatever comes, with a collector of its own.
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    unbounded_with(Collector::new(), Heap)
}

/// A channel that takes whatever comes, whose segments come from `alloc` and are reclaimed by `scheme`.
pub fn unbounded_with<T, S: Scheme, A: NodeAlloc>(
    scheme: S,
    alloc: A,
) -> (Sender<T, S, A>, Receiver<T, S, A>) {
    ends(Core::new(Buffer::Unbounded(SegmentQueue::in_alloc(scheme, alloc))))
}

fn ends<T, S: Scheme, A: NodeAlloc>(core: Core<T, S, A>) -> (Sender<T, S, A>, Receiver<T, S, A>) {
    let core = Arc::new(core);
    (Sender { core: core.clone() }, Receiver { core })
}

/// A bounded channel with something left out.
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
#[doc(hidden)]
pub fn weakened<T>(
    capacity: usize,
    mutation: crate::weakened::Weakened,
) -> (Sender<T>, Receiver<T>) {
    let mut core = Core::new(Buffer::Bounded(ArrayQueue::new(capacity)));
    core.receivers_line.mutation = mutation;
    core.senders_line.mutation = mutation;
    ends(core)
}

//! Recorded histories, and whether some order of their calls explains them.
//!
//! Threads call a structure and each keeps a log: when a call began, when it returned, what came out. The history is *linearizable* if every call can
//! be given one moment between its beginning and its return so that, in the order of the moments, a plain sequential object gives the same
//! answers (Herlihy and Wing, 1990).
//!
//! | object | specification | events | checked key by key |
//! |---|---|---|---|
//! | one place | [`Register`] | [`RegisterEvent`] | – |
//! | map | [`Map`] | [`MapEvent`] | yes |
//! | set | [`Set`] | [`SetEvent`] | yes |
//! | map with ranges | [`OrderedMap`] | [`OrderedMapEvent`] | no: a range concerns all keys |
//! | FIFO queue, LIFO stack | [`Queue`], [`Stack`] | [`PoolEvent`] | no |
//! | channel, bounded or not, that can be closed | [`Channel`] | [`ChannelEvent`] | no |
//!
//! Anything else: write a [`Specification`], a state and one function.
//!
//! # Use
//! ```
//! use std::collections::VecDeque;
//! use std::sync::Mutex;
//! use stillpoint_testkit::linearizability::{PoolEvent, Queue, Recorder, assert_linearizable};
//!
//! let queue = Mutex::new(VecDeque::new()); // the structure under test
//! let recorder = Recorder::new();
//! std::thread::scope(|scope| {
//!     for thread in 0..3 {
//!         let (mut log, queue) = (recorder.log(), &queue);
//!         scope.spawn(move || {
//!             for i in 0..100 {
//!                 let value = thread * 1000 + i; // values that differ make a history say more
//!                 log.call(|| { queue.lock().unwrap().push_back(value); PoolEvent::Push(value) });
//!                 log.call(|| PoolEvent::Pop(queue.lock().unwrap().pop_front()));
//!             }
//!         });
//!     }
//! });
//! assert_linearizable(&Queue::default(), recorder);
//! ```
//! A structure that was filled beforehand: record the filling too, in a log of the main thread. Logs are delivered when dropped, so drop the main
//! thread's before the check. Every call must have returned. It works under loom and shuttle as it does under `std`: the clock is no part of the
//! model.
//!
//! # How it decides
//! Depth first over *configurations*, (how many calls of each thread have taken effect, state), each visited once (Wing and Gong 1993, with Lowe's
//! memory, 2017; the calls of a thread are in order, so a counter a thread stands for the set). Objects whose keys are independent are checked key
//! by key (Horn and Kroening 2015). The next call to take effect must have begun before every call that has not yet taken effect returned.
//!
//! # Cost
//! Usually one configuration a call; with many threads in the same calls up to 2^threads a call. A state is cloned for each configuration: keep queues
//! and ordered maps short (tens of elements) and run many histories rather than a long one. 4 threads × 1,000 calls take milliseconds.
//!
//! # What a failure says
//! The first return that no order explains (the history up to it is bad, without it is good), in which states the object could have been then,
//! which calls were under way, and the last ones before.

mod failure;
mod history;
mod map;
mod ordered_map;
mod pool;
mod register;
mod search;
mod specification;

pub use failure::{Failure, Violation};
pub use history::{Call, History, Log, Recorder};
pub use map::{Map, MapEvent, Set, SetEvent};
pub use ordered_map::{OrderedMap, OrderedMapEvent};
pub use pool::{Channel, ChannelEvent, PoolEvent, Queue, ReceiveOutcome, SendOutcome, Stack};
pub use register::{Register, RegisterEvent};
pub use search::{MAX_CONFIGURATIONS, assert_linearizable, check};
pub use specification::Specification;

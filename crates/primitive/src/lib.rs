//! How the machine looks to the rest of Stillpoint: atomics, cells, asymmetric fences, thread slots and padding.
//!
//! This crate is the only one that names `std::sync::atomic`, `std::thread`, loom or shuttle. Built with
//! `--cfg stillpoint_loom` its types are loom's, with `--cfg stillpoint_shuttle` shuttle's, else those of `std`.
//!
//! | module | what it gives |
//! |---|---|
//! | [`sync`] | atomics, `Arc`, `thread`, `UnsafeCell` with `with`/`with_mut`, under whichever checker |
//! | [`fence`] | [`fence::Fences`]: the light fence of readers and the heavy one of reclaimers |
//! | [`thread_slot`] | small dense numbers for threads, given back at exit, with exit hooks |
//! | [`background`] | threads of a library's own |
//! | [`scheduling`] | what a thread asks of the system's scheduler |
//! | [`contain()`] | runs what may panic in the middle of something |
//! | [`drop_all()`] | drops what is left in a structure, whatever its destructors do |
//! | [`fork`](mod@fork) | hooks that run in the child of a fork |
//! | [`PerThread`] | an element for every thread slot |
//! | [`CachePadded`] | one value, two cache lines of its own |
//! | [`Label`] | a name with one writer, read without waiting |
//! | [`OwnerCounter`] | a figure with one writer, outside every protocol |
//! | [`prefetch()`], [`prefetch_lines`] | ask for cache lines ahead of their use |
//! | [`SideWord`] | 32 bits beside a block of memory, handed on with it |

//! # Without `std`
//! With `default-features = false` there are `core` and `alloc`: no threads ([`background`], [`fork`](mod@fork)), no thread that is known by
//! itself (a number is claimed as [`thread_slot::Temporary`]), a `Mutex` that spins, fences of the strict kind, and panics are not contained.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "std")]
pub mod background;
mod contain;
#[cfg(stillpoint_steps)]
#[doc(hidden)]
pub mod counted;
mod counter;
mod drop_all;
#[cfg(feature = "std")]
pub mod fork;
mod label;
#[cfg(stillpoint_loom)]
#[doc(hidden)]
pub mod modelled;
mod padded;
mod per_thread;
mod prefetch;
#[cfg(stillpoint_tsan)]
#[doc(hidden)]
pub mod sanitized;
#[cfg(feature = "std")]
pub mod scheduling;
mod side_word;
#[cfg(not(feature = "std"))]
mod spin;

pub mod fence;
pub mod sync;
pub mod thread_slot;

pub use contain::contain;
pub use counter::OwnerCounter;
pub use drop_all::drop_all;
pub use label::Label;
pub use padded::CachePadded;
pub use per_thread::PerThread;
pub use prefetch::{prefetch, prefetch_lines};
pub use side_word::SideWord;

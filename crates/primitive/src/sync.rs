//! Atomics, cells, `Arc`, `Mutex` and threads: those of `std`, of loom or of shuttle, by cfg.

#[cfg(stillpoint_loom)]
mod imp {
    pub use crate::modelled as atomic;
    pub use loom::cell::UnsafeCell;
    pub use loom::hint;
    pub use loom::sync::{Arc, Mutex, MutexGuard};
    pub use loom::thread;
    pub use loom::thread_local;
}

#[cfg(all(stillpoint_shuttle, not(stillpoint_loom)))]
mod imp {
    pub use super::plain_cell::UnsafeCell;
    pub use shuttle::hint;
    pub use shuttle::sync::atomic;
    pub use shuttle::sync::{Arc, Mutex, MutexGuard};
    pub use shuttle::thread;
    pub use shuttle::thread_local;
}

#[cfg(all(not(feature = "std"), not(any(stillpoint_loom, stillpoint_shuttle))))]
mod imp {
    pub use super::plain_cell::UnsafeCell;
    pub use crate::spin::{Mutex, MutexGuard};
    pub use alloc::sync::Arc;
    pub use core::hint;
    pub use core::sync::atomic;
}

#[cfg(all(feature = "std", not(any(stillpoint_loom, stillpoint_shuttle))))]
mod imp {
    pub use super::plain_cell::UnsafeCell;
    #[cfg(stillpoint_steps)]
    pub use crate::counted as atomic;
    #[cfg(stillpoint_tsan)]
    pub use crate::sanitized as atomic;
    pub use core::hint;
    #[cfg(not(any(stillpoint_steps, stillpoint_tsan)))]
    pub use std::sync::atomic;
    pub use std::sync::{Arc, Mutex, MutexGuard};
    pub use std::thread;
    pub use std::thread_local;
}

#[cfg(not(stillpoint_loom))]
mod plain_cell {
    /// `std`'s cell behind loom's interface: access is a closure over the raw pointer.
    #[derive(Debug, Default)]
    pub struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        /// Wraps `value`.
        pub const fn new(value: T) -> Self {
            UnsafeCell(core::cell::UnsafeCell::new(value))
        }
        /// Hands the pointer to `f` for reading.
        #[inline(always)]
        pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }
        /// Hands the pointer to `f` for writing.
        #[inline(always)]
        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

pub use imp::*;

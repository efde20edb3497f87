//! loom's atomics with SeqCst accesses that mean it.
//!
//! loom takes a SeqCst load or store for an acquiring or releasing one; only its SeqCst *fences* are in one total order. Here each SeqCst access
//! has such a fence on both sides, which gives exactly the order that the code asks for.
//!
//! Tags: `[model]` the two SeqCst fences of `fenced`.

pub use loom::sync::atomic::{Ordering, fence};

fn fenced<R>(order: Ordering, access: impl FnOnce() -> R) -> R {
    // SeqCst [model]: the accesses that loom would weaken
    if order != Ordering::SeqCst {
        return access();
    }
    // SeqCst [model]: before the access
    fence(Ordering::SeqCst);
    let result = access();
    // SeqCst [model]: after the access
    fence(Ordering::SeqCst);
    result
}

macro_rules! atomic {
    ($name:ident $(<$of:ident>)?, $value:ty) => {
        /// As in `std`.
        #[derive(Debug)]
        pub struct $name $(<$of>)? (loom::sync::atomic::$name $(<$of>)?);

        impl $(<$of>)? $name $(<$of>)? {
            /// As in `std`.
            #[track_caller]
            pub fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }
            /// As in `std`.
            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                fenced(order, || self.0.load(order))
            }
            /// As in `std`.
            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                fenced(order, || self.0.store(value, order))
            }
            /// As in `std`.
            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                fenced(order, || self.0.swap(value, order))
            }
            /// As in `std`.
            ///
            /// # Errors
            /// What was there instead.
            #[track_caller]
            pub fn compare_exchange(&self, old: $value, new: $value, order: Ordering, failed: Ordering) -> Result<$value, $value> {
                fenced(order, || self.0.compare_exchange(old, new, order, failed))
            }
            /// As in `std`.
            ///
            /// # Errors
            /// What was there instead.
            #[track_caller]
            pub fn compare_exchange_weak(&self, old: $value, new: $value, order: Ordering, failed: Ordering) -> Result<$value, $value> {
                fenced(order, || self.0.compare_exchange_weak(old, new, order, failed))
            }
            /// As loom has it.
            ///
            /// # Safety
            /// No other access at the same time.
            #[track_caller]
            pub unsafe fn unsync_load(&self) -> $value {
                // SAFETY: the caller's promise.
                unsafe { self.0.unsync_load() }
            }
        }
    };
}

macro_rules! exclusive {
    ($name:ident $(<$of:ident>)?, $value:ty) => {
        impl $(<$of>)? $name $(<$of>)? {
            /// As loom has it.
            pub fn with_mut<R>(&mut self, f: impl FnOnce(&mut $value) -> R) -> R {
                self.0.with_mut(f)
            }
        }
    };
}

macro_rules! arithmetic {
    ($name:ident, $value:ty, $($operation:ident)*) => {
        impl $name {
            $(
                /// As in `std`.
                #[track_caller]
                pub fn $operation(&self, value: $value, order: Ordering) -> $value {
                    fenced(order, || self.0.$operation(value, order))
                }
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new(<$value>::default())
            }
        }
    };
}

atomic!(AtomicBool, bool);
atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);
atomic!(AtomicUsize, usize);
atomic!(AtomicPtr<T>, *mut T);

arithmetic!(AtomicBool, bool, fetch_and fetch_or);
arithmetic!(AtomicU32, u32, fetch_add fetch_sub fetch_and fetch_or fetch_max);
arithmetic!(AtomicU64, u64, fetch_add fetch_sub fetch_and fetch_or fetch_max fetch_min);
arithmetic!(AtomicUsize, usize, fetch_add fetch_sub fetch_and fetch_or fetch_max);

exclusive!(AtomicU32, u32);
exclusive!(AtomicU64, u64);
exclusive!(AtomicUsize, usize);
exclusive!(AtomicPtr<T>, *mut T);

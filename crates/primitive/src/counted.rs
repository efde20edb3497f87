//! `std`'s atomics, counted: how many steps an operation takes, whatever others do meanwhile.
//!
//! Built with `--cfg stillpoint_steps`. Each access and each fence is a step of the calling thread. Before each one a *disturbance* may
//! run, which a test uses to let another thread do its worst at exactly that point: worst cases then come every time instead of hardly ever.
//!
//! What is outside every protocol ([`OwnerCounter`](crate::OwnerCounter), [`Label`](crate::Label)) is not counted; it never loops.
//!
//! Tag: `[count]`: the orderings are the caller's.

use std::cell::{Cell, RefCell};
pub use std::sync::atomic::{Ordering, compiler_fence};

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
    static DISTURBANCE: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
}

/// Runs `operation` and returns how many steps the calling thread took in it.
pub fn steps_of<R>(operation: impl FnOnce() -> R) -> (R, u64) {
    let before = STEPS.get();
    let result = operation();
    (result, STEPS.get() - before)
}

/// Runs `operation` with `disturb` before each of the calling thread's steps.
pub fn disturbed<R>(disturb: impl FnMut() + 'static, operation: impl FnOnce() -> R) -> R {
    DISTURBANCE.with(|place| *place.borrow_mut() = Some(Box::new(disturb)));
    let result = operation();
    DISTURBANCE.with(|place| *place.borrow_mut() = None);
    result
}

fn step() {
    // A thread past its exit is not counted.
    let _ = STEPS.try_with(|steps| steps.set(steps.get() + 1));
    let _ = DISTURBANCE.try_with(|place| {
        // Borrowed already: a step of the disturbance itself.
        if let Ok(mut place) = place.try_borrow_mut()
            && let Some(disturb) = &mut *place
        {
            disturb();
        }
    });
}

/// As in `std`.
#[track_caller]
pub fn fence(order: Ordering) {
    step();
    std::sync::atomic::fence(order);
}

macro_rules! atomic {
    ($name:ident $(<$of:ident>)?, $value:ty) => {
        /// As in `std`.
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub struct $name $(<$of>)? (std::sync::atomic::$name $(<$of>)?);

        impl $(<$of>)? $name $(<$of>)? {
            /// As in `std`.
            pub const fn new(value: $value) -> Self {
                Self(std::sync::atomic::$name::new(value))
            }
            /// As in `std`.
            pub fn load(&self, order: Ordering) -> $value {
                step();
                self.0.load(order)
            }
            /// As in `std`.
            pub fn store(&self, value: $value, order: Ordering) {
                step();
                self.0.store(value, order);
            }
            /// As in `std`.
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                step();
                self.0.swap(value, order)
            }
            /// As in `std`.
            ///
            /// # Errors
            /// What was there instead.
            pub fn compare_exchange(&self, old: $value, new: $value, order: Ordering, failed: Ordering) -> Result<$value, $value> {
                step();
                self.0.compare_exchange(old, new, order, failed)
            }
            /// As in `std`.
            ///
            /// # Errors
            /// What was there instead.
            pub fn compare_exchange_weak(&self, old: $value, new: $value, order: Ordering, failed: Ordering) -> Result<$value, $value> {
                step();
                self.0.compare_exchange_weak(old, new, order, failed)
            }
            /// As in `std`.
            pub fn get_mut(&mut self) -> &mut $value {
                self.0.get_mut()
            }
        }
    };
}

macro_rules! arithmetic {
    ($name:ident, $value:ty, $($operation:ident)*) => {
        impl $name {
            $(
                /// As in `std`.
                pub fn $operation(&self, value: $value, order: Ordering) -> $value {
                    step();
                    self.0.$operation(value, order)
                }
            )*
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

#[cfg(test)]
mod tests {
    use super::{AtomicU64, Ordering, disturbed, steps_of};

    #[test]
    fn steps_are_counted_and_disturbed() {
        let word = AtomicU64::new(1);
        let (sum, steps) = steps_of(|| {
            word.store(2, Ordering::Relaxed);
            word.fetch_add(3, Ordering::Relaxed);
            word.load(Ordering::Relaxed)
        });
        assert_eq!((sum, steps), (5, 3));
        let counter = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = counter.clone();
        let disturb = move || count.set(count.get() + 1);
        disturbed(disturb, || word.swap(0, Ordering::Relaxed));
        word.load(Ordering::Relaxed);
        assert_eq!(counter.get(), 1);
    }
}

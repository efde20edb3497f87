//! [`Node`]: a value that waits to be taken out once, in a chain; [`Chain`]: such a chain when nobody else has it any more.
//!
//! ```text
//! Node   value: initialised until it is taken   next ─▶ Node …
//! ```
//! Invariants:
//! 1. `value` is taken out at most once, by whoever won the right to it in the structure (its CAS), or by the [`Chain`].
//! 2. A node never drops its value: what is retired has been emptied, so reclaiming it frees memory and runs no code of `T`. That is why the
//!    structures made of nodes need no `T: 'static`.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use stillpoint_primitive::sync::UnsafeCell;
use stillpoint_reclaim::{Atomic, NodeAlloc, Owned};

pub(crate) struct Node<T> {
    value: UnsafeCell<MaybeUninit<T>>,
    pub(crate) next: Atomic<Node<T>>,
}

impl<T> Node<T> {
    pub(crate) fn new(value: T) -> Self {
        Node { value: UnsafeCell::new(MaybeUninit::new(value)), next: Atomic::null() }
    }

    /// One without a value.
    pub(crate) fn empty() -> Self {
        Node { value: UnsafeCell::new(MaybeUninit::uninit()), next: Atomic::null() }
    }

    /// Moves the value out, or copies it when `T: Copy`.
    ///
    /// # Safety
    /// The node holds a value, and this is the only call (invariant 1) unless `T: Copy`.
    pub(crate) unsafe fn take(&self) -> T {
        self.value.with(|value| {
            // SAFETY: written before publication, never afterwards.
            let value = unsafe { &*value };
            // SAFETY: the caller's promise.
            unsafe { value.assume_init_read() }
        })
    }
}

/// The values of a chain of nodes that is reached from nowhere else.
pub(crate) struct Chain<T, A: NodeAlloc> {
    first: Option<Owned<Node<T>, A>>,
    values: PhantomData<T>,
}

impl<T, A: NodeAlloc> Chain<T, A> {
    /// # Safety
    /// All nodes reached from `first` are from an `A`, hold values, and are neither retired nor reached from elsewhere.
    pub(crate) unsafe fn new(first: Option<Owned<Node<T>, A>>) -> Self {
        Chain { first, values: PhantomData }
    }
}

impl<T, A: NodeAlloc> Iterator for Chain<T, A> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let mut node = self.first.take()?;
        // SAFETY: the promise of `new`.
        self.first = unsafe { node.next.take_owned() };
        // SAFETY: the promise of `new`; the node goes, so it is taken once.
        Some(unsafe { node.take() })
    }
}

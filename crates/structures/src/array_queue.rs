//! [`ArrayQueue`]: a bounded first-in-first-out queue in an array that is used round and round.
//!
//! ```text
//! head: lap | index ─┐            tail: lap | index ─┐          cell: stamp, value
//!                    ▼                               ▼
//!        [   ] [   ] [ a ] [ b ] [ c ] [ d ] [ e ] [   ] [   ]
//!
//! stamp = position        a push of that position may fill it
//! stamp = position + 1    a pop of that position may empty it; it leaves position + one lap, the next push's position
//! ```
//!
//! | operation | progress | cost |
//! |---|---|---|
//! | [`push`](ArrayQueue::push), [`pop`](ArrayQueue::pop) | blocking, in the strict sense: between the CAS that takes a position and the store of its stamp, a handful of instructions, whoever needs that very cell waits | a CAS, a store |
//! | [`len`](ArrayQueue::len), [`is_empty`](ArrayQueue::is_empty), [`is_full`](ArrayQueue::is_full) | wait-free | two loads |
//!
//! Who loses a CAS stands back for some microseconds, so that the lines of the counters do not travel from cache to cache with each operation.
//!
//! No memory is allocated or reclaimed after its making, hence no scheme. [`SegmentQueue`](crate::SegmentQueue) is unbounded, and lock-free.
//!
//! # Invariants
//! 1. `head ≤ tail ≤ head + one lap's capacity`, counted in positions.
//! 2. A cell is touched only by the push or pop that has taken the position which the stamp names, and by that one alone.
//! 3. "Full" and "empty" are said only when `head` and `tail` themselves say so; a cell that merely is not ready is waited for. So what has been
//!    pushed is found by every pop that begins afterwards.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[stamp]` | the store of a stamp releases the cell, its load acquires it |
//! | `[position]` | the CAS that takes a position and the load that says "full" or "empty" are SeqCst, so that whoever sleeps and whoever wakes see each other (see `channel`'s waiters); first looks are Relaxed, the CAS checks them |
//!
//! Source: D. Vyukov, *Bounded MPMC queue* (2010).

use crate::backoff::{Backoff, stand_back};
use std::fmt;
use std::mem::MaybeUninit;
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::drop_all;
use stillpoint_primitive::sync::UnsafeCell;
use stillpoint_primitive::sync::atomic::{AtomicUsize, Ordering};

/// A position has to leave room for the laps.
const MAX_CAPACITY: usize = usize::MAX >> 16;

struct Cell<T> {
    stamp: AtomicUsize,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// A bounded first-in-first-out queue for any number of threads; see the [module's page](self).
///
/// # Examples
/// ```
/// use stillpoint_structures::ArrayQueue;
///
/// let queue = ArrayQueue::new(2);
/// assert_eq!(queue.push("a"), Ok(()));
/// assert_eq!(queue.push("b"), Ok(()));
/// assert_eq!(queue.push("c"), Err("c"));
/// assert_eq!(queue.pop(), Some("a"));
/// ```
pub struct ArrayQueue<T> {
    head: CachePadded<AtomicUsize>,
    tail: CachePadded<AtomicUsize>,
    cells: Box<[Cell<T>]>,
    /// The power of two above the capacity: a position's bits below are the index, those from it on the lap.
    one_lap: usize,
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    mutation: crate::weakened::Weakened,
}

// SAFETY: values are moved from thread to thread, and never looked at by two.
unsafe impl<T: Send> Send for ArrayQueue<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for ArrayQueue<T> {}

impl<T> ArrayQueue<T> {
    /// An empty queue for up to `capacity` values.
    ///
    /// # Panics
    /// When the capacity is 0 or over 2^48.
    ///
    /// # Cost
    /// A value's size and 8 bytes for each of the capacity.
    pub fn new(capacity: usize) -> Self {
        assert!((1..=MAX_CAPACITY).contains(&capacity), "a queue of {capacity} values");
        let cell = |stamp| Cell {
            stamp: AtomicUsize::new(stamp),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        };
        ArrayQueue {
            head: CachePadded::new(AtomicUsize::new(0)),
            tail: CachePadded::new(AtomicUsize::new(0)),
            cells: (0..capacity).map(cell).collect(),
            one_lap: (capacity + 1).next_power_of_two(),
            #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
            mutation: crate::weakened::Weakened::default(),
        }
    }

    /// The same with something left out.
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    #[doc(hidden)]
    pub fn weakened(mut self, mutation: crate::weakened::Weakened) -> Self {
        self.mutation = mutation;
        self
    }

    /// Puts `value` at the end.
    ///
    /// # Progress
    /// See the [module's page](self).
    ///
    /// # Errors
    /// The value, when the queue is full.
    #[inline]
    pub fn push(&self, value: T) -> Result<(), T> {
        let mut backoff = Backoff::default();
        loop {
            // Relaxed [position]: the CAS checks it.
            let tail = self.tail.load(Ordering::Relaxed);
            let cell = self.cell(tail);
            // Acquire [stamp]: the pop of the lap before is done with the cell.
            let stamp = cell.stamp.load(Ordering::Acquire);
            if stamp == tail {
                if self.take_position(&self.tail, tail) {
                    self.fill(cell, tail, value);
                    return Ok(());
                }
                stand_back();
                continue;
            }
            // SeqCst [position]: `head` itself says whether it is full.
            if self.head.load(Ordering::SeqCst).wrapping_add(self.one_lap) == tail {
                return Err(value);
            }
            backoff.wait();
        }
    }

    /// Takes the first value.
    ///
    /// # Progress
    /// See the [module's page](self).
    #[inline]
    pub fn pop(&self) -> Option<T> {
        let mut backoff = Backoff::default();
        loop {
            // Relaxed [position]: the CAS checks it.
            let head = self.head.load(Ordering::Relaxed);
            let cell = self.cell(head);
            // Acquire [stamp]: the value.
            let stamp = cell.stamp.load(Ordering::Acquire);
            if stamp == head.wrapping_add(1) {
                if self.take_position(&self.head, head) {
                    return Some(self.empty(cell, head));
                }
                stand_back();
                continue;
            }
            // SeqCst [position]: `tail` itself says whether it is empty.
            if self.tail.load(Ordering::SeqCst) == head {
                return None;
            }
            backoff.wait();
        }
    }

    /// How many values fit.
    pub fn capacity(&self) -> usize {
        self.cells.len()
    }

    /// How many values are in it: exact while nobody pushes or pops.
    ///
    /// # Progress
    /// Wait-free.
    pub fn len(&self) -> usize {
        // SeqCst [position]: as below.
        let head = self.head.load(Ordering::SeqCst);
        // SeqCst [position]: after the head, so that it is not behind it.
        let tail = self.tail.load(Ordering::SeqCst);
        let (head, tail) = (self.count(head), self.count(tail));
        tail.wrapping_sub(head).min(self.capacity())
    }

    /// Whether there is nothing in it at this moment.
    ///
    /// # Progress
    /// Wait-free.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing fits at this moment.
    ///
    /// # Progress
    /// Wait-free.
    pub fn is_full(&self) -> bool {
        // SeqCst [position]: as below.
        let tail = self.tail.load(Ordering::SeqCst);
        // SeqCst [position]: after the tail: if it was a lap behind then, it was no further when the tail was read.
        self.head.load(Ordering::SeqCst).wrapping_add(self.one_lap) == tail
    }

    /// A position as a number of pushes or pops.
    fn count(&self, position: usize) -> usize {
        let (index, laps) = (position & (self.one_lap - 1), position / self.one_lap);
        laps.wrapping_mul(self.capacity()).wrapping_add(index)
    }

    fn cell(&self, position: usize) -> &Cell<T> {
        &self.cells[position & (self.one_lap - 1)]
    }

    fn take_position(&self, counter: &AtomicUsize, position: usize) -> bool {
        let index = position & (self.one_lap - 1);
        let next = if index + 1 < self.capacity() {
            position + 1
        } else {
            (position - index).wrapping_add(self.one_lap)
        };
        // SeqCst [position]: the draw.
        counter.compare_exchange(position, next, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// The caller has taken `position` for a push.
    fn fill(&self, cell: &Cell<T>, position: usize, value: T) {
        #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
        if self.mutation == crate::weakened::Weakened::StampFirst {
            // Release [stamp]: weakened, before the value is there.
            cell.stamp.store(position + 1, Ordering::Release);
        }
        cell.value.with_mut(|place| {
            // SAFETY: invariant 2.
            unsafe { place.write(MaybeUninit::new(value)) };
        });
        // Release [stamp]: the value comes with it.
        cell.stamp.store(position + 1, Ordering::Release);
    }

    /// The caller has taken `position` for a pop.
    fn empty(&self, cell: &Cell<T>, position: usize) -> T {
        let value = cell.value.with_mut(|place| {
            // SAFETY: invariant 2.
            let place = unsafe { &*place };
            // SAFETY: the stamp said that it is full.
            unsafe { place.assume_init_read() }
        });
        // Release [stamp]: we are done with the cell.
        cell.stamp.store(position.wrapping_add(self.one_lap), Ordering::Release);
        value
    }
}

impl<T> Drop for ArrayQueue<T> {
    fn drop(&mut self) {
        drop_all(std::iter::from_fn(|| self.pop()));
    }
}

impl<T> fmt::Debug for ArrayQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrayQueue")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

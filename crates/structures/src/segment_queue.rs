//! [`SegmentQueue`]: an unbounded first-in-first-out queue in segments of 32 cells.
//!
//! ```text
//! head ─▶ Segment ─▶ Segment ─▶ Segment ◀─ tail      each   enqueued: next cell to fill
//!         ░░░░▒▒▒▒   ▒▒▒▒▒▒▒▒   ▒▒▒                         dequeued: next cell to empty
//!         taken full                   empty                cells:    state, value
//!
//! cell:  EMPTY ──push──▶ FULL ──pop──▶ (taken by whoever has its number)
//!            └───pop───▶ CLOSED        (the push looks for another cell)
//! ```
//!
//! A push draws a cell by fetch-and-add, a pop by CAS; they meet in the cell. A pop that comes to a cell before its push has filled it waits a
//! moment and then closes it, so neither ever waits for the other: a thread that stops anywhere holds nobody up.
//!
//! | operation | progress | cost |
//! |---|---|---|
//! | [`push`](SegmentQueue::push) | lock-free | a fetch-and-add, a CAS; an allocation every 32nd time |
//! | [`pop`](SegmentQueue::pop) | lock-free | a CAS |
//! | [`is_empty`](SegmentQueue::is_empty), [`len`](SegmentQueue::len) | as a load of the scheme | a few loads |
//!
//! # Invariants
//! 1. A cell's number is drawn by at most one push and at most one pop. It is filled by that push, if the pop has not closed it, and emptied
//!    by that pop.
//! 2. A push whose cells are closed comes, after at most 32 of them, to the end of a segment and appends one that has its value in the
//!    first cell already. That is why it is lock-free.
//! 3. A segment is retired when all its numbers are drawn and the head has been moved off it; before that the tail is (as in
//!    [`queue`](crate::queue), invariant 2).
//! 4. "Empty" is said when `dequeued ≥ enqueued` was seen, reading `dequeued` first, and there is no next segment. At the moment of the
//!    second read every cell that a finished push has filled was drawn by some pop.
//!
//! A pop that loses its CAS stands back for some microseconds: with all threads at it, the lines of the counters would travel from cache to cache
//! with each operation. And it looks at the pushes' counter only when its cell is not full yet.
//!
//! Runs on every scheme: only the two roots are ever followed. Protects slots 0 and 1.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[fill]` | the CAS to FULL releases the value; the pop's load or swap acquires it |
//! | `[draw]` | drawing is SeqCst, so that whoever sleeps on an empty queue and whoever wakes it see each other (see `channel`'s waiters); for the queue itself Relaxed would do, but for the order of the two reads of invariant 4 |
//! | `[link]` | set in a segment of one's own |
//!
//! Source: P. Ramalhete and A. Correia, *FAAArrayQueue* (2016), after LCRQ (A. Morrison and Y. Afek, PPoPP 2013).

use crate::backoff;
use crate::container::container;
use crate::returned::Returned;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::drop_all;
use stillpoint_primitive::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
use stillpoint_primitive::sync::{UnsafeCell, hint};
use stillpoint_reclaim::{
    Atomic, Collector, Heap, NodeAlloc, Owned, Protect, Restart, Scheme, Shared,
};

#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
const CELLS: usize = 32;
#[cfg(any(stillpoint_loom, stillpoint_shuttle))]
const CELLS: usize = 2;

/// How often a pop looks at a cell that was drawn but is not filled yet, before it closes it.
const PATIENCE: u32 = if cfg!(any(stillpoint_loom, stillpoint_shuttle)) { 0 } else { 64 };

const EMPTY: u32 = 0;
const FULL: u32 = 1;
const CLOSED: u32 = 2;

struct Cell<T> {
    state: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Cell<T> {
    fn empty() -> Self {
        Cell { state: AtomicU32::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// # Safety
    /// The caller's push has drawn this cell.
    unsafe fn fill(&self, value: T) -> Result<(), T> {
        self.value.with_mut(|place| {
            // SAFETY: nobody reads it before it is full, and only the caller writes.
            unsafe { place.write(MaybeUninit::new(value)) };
        });
        // Release [fill]: the value comes with the state.
        match self.state.compare_exchange(EMPTY, FULL, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            // SAFETY: written above; the pop has gone away.
            Err(_) => Err(unsafe { self.read() }),
        }
    }

    /// # Safety
    /// The caller's pop has drawn this cell.
    unsafe fn empty_or_close(&self) -> Option<T> {
        for _ in 0..PATIENCE {
            // Acquire [fill]: the value.
            if self.state.load(Ordering::Acquire) != EMPTY {
                break;
            }
            hint::spin_loop();
        }
        // Acquire [fill]: the value.
        let full = self.state.load(Ordering::Acquire) == FULL
            // Acquire [fill]: the value.
            || self.state.swap(CLOSED, Ordering::Acquire) == FULL;
        // SAFETY: full, and the caller's alone.
        full.then(|| unsafe { self.read() })
    }

    /// # Safety
    /// It holds a value, which this takes out for good.
    unsafe fn read(&self) -> T {
        self.value.with(|place| {
            // SAFETY: nobody writes it any more.
            let place = unsafe { &*place };
            // SAFETY: the caller's promise.
            unsafe { place.assume_init_read() }
        })
    }
}

struct Segment<T> {
    enqueued: CachePadded<AtomicUsize>,
    dequeued: CachePadded<AtomicUsize>,
    /// How many cells there are in the segments before.
    start: usize,
    next: Atomic<Segment<T>>,
    cells: [Cell<T>; CELLS],
}

impl<T> Segment<T> {
    fn new(start: usize) -> Self {
        Segment {
            enqueued: CachePadded::new(AtomicUsize::new(0)),
            dequeued: CachePadded::new(AtomicUsize::new(0)),
            start,
            next: Atomic::null(),
            cells: std::array::from_fn(|_| Cell::empty()),
        }
    }

    fn drawn(counter: &AtomicUsize) -> usize {
        // SeqCst [draw]: see the header.
        counter.load(Ordering::SeqCst).min(CELLS)
    }

    /// Draws `number`, if it is the next one.
    #[inline]
    fn draw(counter: &AtomicUsize, number: usize) -> bool {
        // SeqCst [draw]: see the header.
        counter.compare_exchange(number, number + 1, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Whether no value is in it, nor in a segment after it.
    fn is_exhausted(&self) -> bool {
        let dequeued = Self::drawn(&self.dequeued);
        dequeued >= Self::drawn(&self.enqueued) && self.next.load_unprotected().is_null()
    }
}

/// An unbounded first-in-first-out queue for any number of threads; see the [module's page](self).
///
/// Values need not be `'static`: a retired segment is empty, so what a collector reclaims later runs no code of `T`.
///
/// # Examples
/// ```
/// use stillpoint_structures::SegmentQueue;
///
/// let queue = SegmentQueue::new();
/// for i in 0..100 {
///     queue.push(i);
/// }
/// assert_eq!(queue.len(), 100);
/// assert_eq!(queue.pop(), Some(0));
/// ```
pub struct SegmentQueue<T, S: Scheme = Collector, A: NodeAlloc = Heap> {
    head: CachePadded<Atomic<Segment<T>>>,
    tail: CachePadded<Atomic<Segment<T>>>,
    scheme: S,
    alloc: A,
    #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
    mutation: crate::weakened::Weakened,
    values: PhantomData<T>,
}

// SAFETY: values are moved from thread to thread, and never looked at by two.
unsafe impl<T: Send, S: Scheme, A: NodeAlloc> Send for SegmentQueue<T, S, A> {}
// SAFETY: as above.
unsafe impl<T: Send, S: Scheme, A: NodeAlloc> Sync for SegmentQueue<T, S, A> {}

impl<T> SegmentQueue<T> {
    /// An empty queue with a collector of its own.
    ///
    /// # Cost
    /// 384 bytes and a segment (512 bytes and 32 cells of a value and 4 bytes), beside the collector's.
    pub fn new() -> Self {
        SegmentQueue::with_scheme(Collector::new())
    }
}

container!(SegmentQueue, "queue", "segments");

impl<T, S: Scheme, A: NodeAlloc> SegmentQueue<T, S, A> {
    /// An empty queue whose segments come from `alloc` and are reclaimed by `scheme`. Segments are aligned to two cache lines, so an allocator of less
    /// ([`NodeAlloc::MAX_ALIGN`], the pool's is 64) does not compile.
    pub fn in_alloc(scheme: S, alloc: A) -> Self {
        const { assert!(S::SLOTS >= 2, "a queue needs two slots of protection") };
        let mut head = Atomic::new(Owned::new_in(&scheme.pin(), Segment::new(0), &alloc));
        let tail = Atomic::null();
        // Relaxed [link]: nobody else has the queue yet.
        tail.store(head.load_exclusive(), Ordering::Relaxed);
        SegmentQueue {
            head: CachePadded::new(head),
            tail: CachePadded::new(tail),
            scheme,
            alloc,
            #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
            mutation: crate::weakened::Weakened::default(),
            values: PhantomData,
        }
    }

    /// Puts `value` at the end.
    ///
    /// # Progress
    /// Lock-free.
    #[inline]
    pub fn push(&self, value: T) {
        let mut value = Some(value);
        self.scheme.pin().complete(|guard| self.try_push(&mut value, guard));
    }

    /// As [`push`](SegmentQueue::push), under a guard of this queue's scheme.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// [`Returned`] on a collector with a cap, past it.
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn push_with(&self, value: T, guard: &S::Guard<'_>) -> Result<(), Returned<T>> {
        self.check(guard);
        let mut value = Some(value);
        match guard.retrying(|guard| self.try_push(&mut value, guard)) {
            Ok(()) => Ok(()),
            Err(Restart) => Err(Returned(value.expect("a push that failed leaves the value"))),
        }
    }

    /// Takes the first value.
    ///
    /// # Progress
    /// Lock-free.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        self.scheme.pin().complete(|guard| self.try_pop(guard))
    }

    /// As [`pop`](SegmentQueue::pop), under a guard of this queue's scheme.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// [`Restart`] on a collector with a cap, past it.
    ///
    /// # Panics
    /// When the guard is of another collector.
    pub fn pop_with(&self, guard: &S::Guard<'_>) -> Result<Option<T>, Restart> {
        self.check(guard);
        guard.retrying(|guard| self.try_pop(guard))
    }

    /// Whether there is nothing in it at this moment.
    ///
    /// # Progress
    /// Wait-free; lock-free on a scheme that protects per pointer.
    pub fn is_empty(&self) -> bool {
        self.scheme.pin().complete(|guard| {
            let head = guard.protect_root(0, &self.head)?;
            // SAFETY: protected by slot 0; the head is never null.
            Ok(unsafe { head.deref() }.is_exhausted())
        })
    }

    /// How many values are in it: exact while nobody pushes or pops, else an estimate (a cell that was closed counts until it is passed).
    ///
    /// # Progress
    /// As [`is_empty`](SegmentQueue::is_empty).
    pub fn len(&self) -> usize {
        self.scheme.pin().complete(|guard| {
            let (head, tail) =
                (guard.protect_root(0, &self.head)?, guard.protect_root(1, &self.tail)?);
            // SAFETY: protected by slot 0; never null.
            let head = unsafe { head.deref() };
            // SAFETY: protected by slot 1; never null.
            let tail = unsafe { tail.deref() };
            let taken = head.start + Segment::<T>::drawn(&head.dequeued);
            Ok((tail.start + Segment::<T>::drawn(&tail.enqueued)).saturating_sub(taken))
        })
    }

    /// On success, and only then, `value` has become `None`.
    #[inline]
    fn try_push(&self, value: &mut Option<T>, guard: &S::Guard<'_>) -> Result<(), Restart> {
        loop {
            let tail = guard.protect_root(0, &self.tail)?;
            // SAFETY: protected by slot 0; the tail is never null.
            let segment = unsafe { tail.deref() };
            // SeqCst [draw]: see the header.
            let number = segment.enqueued.fetch_add(1, Ordering::SeqCst);
            let Some(cell) = segment.cells.get(number) else {
                if self.append(tail, value, guard) {
                    return Ok(());
                }
                continue;
            };
            // SAFETY: drawn just now.
            match unsafe { cell.fill(value.take().expect("a value that is not in yet")) } {
                Ok(()) => return Ok(()),
                Err(refused) => *value = Some(refused),
            }
        }
    }

    /// The segment under `tail` is full: appends another that begins with the value, or lets the tail follow whoever has. Whether the
    /// value is in.
    #[cold]
    fn append(
        &self,
        tail: Shared<'_, Segment<T>>,
        value: &mut Option<T>,
        guard: &S::Guard<'_>,
    ) -> bool {
        // SAFETY: protected by the caller; not null.
        let segment = unsafe { tail.deref() };
        let next = segment.next.load_unprotected();
        if !next.is_null() {
            // If this succeeds, `next` is not retired, by invariant 3.
            let _moved = self.tail.compare_exchange_unprotected(tail, next);
            return false;
        }
        let mut first = Segment::new(segment.start + CELLS);
        first.enqueued = CachePadded::new(AtomicUsize::new(1));
        let new = value.take().expect("a value that is not in yet");
        first.cells[0] =
            Cell { state: AtomicU32::new(FULL), value: UnsafeCell::new(MaybeUninit::new(new)) };
        let first = Owned::new_in(guard, first, &self.alloc);
        match segment.next.compare_exchange_owned(Shared::null(), first, guard) {
            Ok(new) => {
                // SeqCst [draw]: linking the segment was the draw here.
                fence(Ordering::SeqCst);
                let _moved = self.tail.compare_exchange(tail, new);
                true
            }
            Err(refused) => {
                // SAFETY: filled above, published nowhere; a segment does not drop its values.
                *value = Some(unsafe { refused.new.cells[0].read() });
                let _moved = self.tail.compare_exchange_unprotected(tail, refused.found);
                false
            }
        }
    }

    #[inline]
    fn try_pop(&self, guard: &S::Guard<'_>) -> Result<Option<T>, Restart> {
        loop {
            let head = guard.protect_root(0, &self.head)?;
            // SAFETY: protected by slot 0; the head is never null.
            let segment = unsafe { head.deref() };
            // SeqCst [draw]: before the number of pushes.
            let number = segment.dequeued.load(Ordering::SeqCst);
            let Some(cell) = segment.cells.get(number) else {
                if !self.advance(head, guard) {
                    return Ok(None);
                }
                continue;
            };
            // Acquire [fill]: a cell that is full was drawn by a push.
            let full = cell.state.load(Ordering::Acquire) == FULL;
            // SeqCst [draw]: invariant 4.
            if !full && number >= segment.enqueued.load(Ordering::SeqCst) {
                return Ok(None);
            }
            if !Segment::<T>::draw(&segment.dequeued, number) {
                backoff::stand_back();
                continue;
            }
            #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
            // Acquire [fill]: weakened, it goes away without closing the cell.
            if self.mutation == crate::weakened::Weakened::CellLeftOpen
                && cell.state.load(Ordering::Acquire) != FULL
            {
                continue;
            }
            // SAFETY: drawn just now.
            if let Some(value) = unsafe { cell.empty_or_close() } {
                return Ok(Some(value));
            }
        }
    }

    /// All cells under `head` are drawn: moves the head to the next segment. `false` when there is none.
    #[cold]
    fn advance(&self, head: Shared<'_, Segment<T>>, guard: &S::Guard<'_>) -> bool {
        // SAFETY: protected by the caller; not null.
        let next = unsafe { head.deref() }.next.load_unprotected();
        if next.is_null() {
            return false;
        }
        self.move_tail_off(head);
        if self.head.compare_exchange_unprotected(head, next).is_ok() {
            // SAFETY: unlinked just now, by us alone, and by invariant 3 not under the tail; values that it still holds belong to pops
            // that have drawn them, and protect it.
            unsafe { head.retire_in::<A, _>(guard) };
        }
        true
    }

    /// Invariant 3: before the head leaves `head`, the tail does.
    fn move_tail_off(&self, head: Shared<'_, Segment<T>>) {
        if self.tail.load_unprotected() == head.unprotected() {
            // SAFETY: protected by the caller's caller; not null.
            let next = unsafe { head.deref() }.next.load_unprotected();
            let _moved = self.tail.compare_exchange_unprotected(head, next);
        }
    }
}

impl<T, S: Scheme, A: NodeAlloc> Drop for SegmentQueue<T, S, A> {
    fn drop(&mut self) {
        // SAFETY: exclusive; segments that were unlinked are not reached from the head.
        let segment = unsafe { self.head.take_owned::<A>() };
        drop_all(Rest { segment, at: 0 });
    }
}

impl<T, S: Scheme, A: NodeAlloc> fmt::Debug for SegmentQueue<T, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentQueue").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// What is left in a queue that is being dropped; its segments are reached from nowhere else.
struct Rest<T, A: NodeAlloc> {
    segment: Option<Owned<Segment<T>, A>>,
    at: usize,
}

impl<T, A: NodeAlloc> Iterator for Rest<T, A> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            let segment = self.segment.as_mut()?;
            // A pop that drew a cell has finished: it has emptied the cell, or closed it.
            let number = self.at.max(Segment::<T>::drawn(&segment.dequeued));
            let Some(cell) = segment.cells.get(number) else {
                // SAFETY: exclusive.
                self.segment = unsafe { segment.next.take_owned::<A>() };
                self.at = 0;
                continue;
            };
            self.at = number + 1;
            // Acquire [fill]: exclusive, but the value may be another thread's.
            if cell.state.load(Ordering::Acquire) == FULL {
                // SAFETY: full, its number was drawn by no pop, and `at` has gone on.
                return Some(unsafe { cell.read() });
            }
        }
    }
}

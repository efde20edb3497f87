//! Figures kept per thread and summed on demand, so that no two writers share a line because of statistics.
//!
//! # Invariants
//! 1. A cell other than the first has one writer, the thread whose slot number it is (numbers are handed on under a lock, so a cell's writers are
//!    ordered): it adds by a load and a store. Threads past their exit share the first cell and add by `fetch_add`.
//! 2. What one thread adds another may take away; only the sum means something, and only when nobody is in the middle of an operation.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[count]` | Relaxed everywhere: sums of a moment, nothing is decided by them but policy |

use crate::segments::Segments;
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::sync::atomic::{AtomicI64, Ordering};
use stillpoint_primitive::thread_slot;

/// What is counted beside the keys of each space.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figure {
    /// Published versions that are not retired, and their bytes.
    Versions,
    VersionBytes,
    /// Bytes of the newest committed versions that are values.
    LiveBytes,
    Commits,
    Aborts,
    Helps,
    ExpiredKeys,
    ExpiredSnapshots,
}

const FIGURES: usize = 8;

struct Cell {
    figures: [AtomicI64; FIGURES],
    keys: Box<[AtomicI64]>,
}

pub(crate) struct Counters {
    cells: Segments<CachePadded<Cell>>,
}

/// The calling thread's cell.
pub(crate) struct Own<'c> {
    cell: &'c Cell,
    shared: bool,
}

impl Counters {
    pub(crate) fn new(spaces: usize) -> Self {
        let make = move || {
            CachePadded::new(Cell {
                figures: [const { AtomicI64::new(0) }; FIGURES],
                keys: (0..spaces).map(|_| AtomicI64::new(0)).collect(),
            })
        };
        Counters { cells: Segments::new(make) }
    }

    #[inline]
    pub(crate) fn own(&self) -> Own<'_> {
        match thread_slot::current() {
            Some(slot) => Own { cell: self.cells.at(slot + 1), shared: false },
            None => self.first(),
        }
    }

    #[cold]
    fn first(&self) -> Own<'_> {
        let at = thread_slot::claim_current().map_or(0, |slot| slot + 1);
        Own { cell: self.cells.at(at), shared: at == 0 }
    }

    pub(crate) fn sum(&self, figure: Figure) -> u64 {
        // Relaxed [count]: a sum of a moment
        self.total(|cell| cell.figures[figure as usize].load(Ordering::Relaxed))
    }

    pub(crate) fn keys(&self, space: u8) -> u64 {
        // Relaxed [count]: a sum of a moment
        self.total(|cell| cell.keys[usize::from(space)].load(Ordering::Relaxed))
    }

    fn total(&self, of: impl Fn(&Cell) -> i64) -> u64 {
        self.cells.iter().map(|cell| of(cell)).sum::<i64>().max(0) as u64
    }
}

impl Own<'_> {
    /// The calling thread's part of a figure.
    #[inline]
    pub(crate) fn get(&self, figure: Figure) -> i64 {
        // Relaxed [count]: a figure of a moment
        self.cell.figures[figure as usize].load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn add(&self, figure: Figure, by: i64) {
        self.change(&self.cell.figures[figure as usize], by);
    }

    #[inline]
    pub(crate) fn add_keys(&self, space: u8, by: i64) {
        self.change(&self.cell.keys[usize::from(space)], by);
    }

    #[inline]
    fn change(&self, cell: &AtomicI64, by: i64) {
        if self.shared {
            // Relaxed [count]: shared by threads past their exit
            cell.fetch_add(by, Ordering::Relaxed);
        } else {
            // Relaxed [count]: this thread alone writes here (invariant 1), for the load and the store
            cell.store(cell.load(Ordering::Relaxed) + by, Ordering::Relaxed);
        }
    }
}

//! Figures kept per thread and summed on demand, so that no two writers share a line because of statistics.
//!
//! # Invariants
//! 1. A cell other than the first has one writer, the thread whose slot number it is (numbers are handed on under a lock, so a cell's writers are
//!    ordered): it adds by a load and a store. Threads past their exit share the first cell and add by `fetch_add`.
//! 2. What one thread adds another may take away; only the sum means something, and only when nobody is in the middle of an operation.

use crate::segments::Segments;
use stillpoint_primitive::thread_slot;
use stillpoint_primitive::{CachePadded, OwnerCounter};

/// What is counted beside the keys of each space.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figure {
    /// Published versions that are not retired, and their bytes.
    Versions,
    VersionBytes,
    /// Bytes of the objects of published versions, each as if it shared nothing with another.
    ObjectBytes,
    /// Bytes of the newest committed versions that are values; of their objects; of the keys in them.
    LiveBytes,
    LiveObjectBytes,
    KeyBytes,
    Commits,
    Aborts,
    Helps,
    ExpiredKeys,
    EvictedKeys,
    /// Bytes by which writes have changed the newest values, up or down, since there is a limit.
    Changed,
    ExpiredSnapshots,
    /// Bytes of keys in ordered indexes, beside the blocks that refer to them.
    OrderedBytes,
}

const FIGURES: usize = 14;
/// Cells that are there from the beginning: for some threads, and those past their exit.
const FEW: usize = if cfg!(stillpoint_loom) { 1 } else { 8 };

struct Cell {
    figures: [OwnerCounter; FIGURES],
    keys: Box<[OwnerCounter]>,
    draws: OwnerCounter,
    /// Listeners that the thread is inside of.
    telling: OwnerCounter,
}

pub(crate) struct Counters {
    cells: Segments<CachePadded<Cell>>,
}

/// The calling thread's cell.
#[derive(Clone, Copy)]
pub(crate) struct Own<'c> {
    cell: &'c Cell,
    shared: bool,
}

impl Counters {
    pub(crate) fn new(spaces: usize) -> Self {
        let make = move || {
            CachePadded::new(Cell {
                figures: [const { OwnerCounter::new() }; FIGURES],
                keys: (0..spaces).map(|_| OwnerCounter::new()).collect(),
                draws: OwnerCounter::new(),
                telling: OwnerCounter::new(),
            })
        };
        Counters { cells: Segments::new(FEW, make) }
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
        self.total(|cell| cell.figures[figure as usize].get())
    }

    /// How much larger the one figure is than the other.
    pub(crate) fn difference(&self, more: Figure, less: Figure) -> u64 {
        self.sum(more).saturating_sub(self.sum(less))
    }

    pub(crate) fn keys(&self, space: u8) -> u64 {
        self.total(|cell| cell.keys[usize::from(space)].get())
    }

    fn total(&self, of: impl Fn(&Cell) -> u64) -> u64 {
        self.cells
            .iter()
            .fold(0, |sum: u64, cell| sum.wrapping_add(of(cell)))
            .cast_signed()
            .max(0)
            .cast_unsigned()
    }
}

impl Own<'_> {
    /// The calling thread's part of a figure.
    #[inline]
    pub(crate) fn get(&self, figure: Figure) -> i64 {
        self.cell.figures[figure as usize].get().cast_signed()
    }

    #[inline]
    pub(crate) fn add(&self, figure: Figure, by: i64) {
        self.change(&self.cell.figures[figure as usize], by);
    }

    #[inline]
    pub(crate) fn add_keys(&self, space: u8, by: i64) {
        self.change(&self.cell.keys[usize::from(space)], by);
    }

    /// Whether the thread is inside a listener. (Threads past their exit share the answer.)
    pub(crate) fn is_telling(&self) -> bool {
        self.cell.telling.get() != 0
    }

    /// Notes that a listener is called, or has returned.
    pub(crate) fn tell(&self, by: i64) {
        self.change(&self.cell.telling, by);
    }

    /// A random number.
    pub(crate) fn draw(&self) -> u64 {
        self.change(&self.cell.draws, 1);
        let mut state = self.cell.draws.get();
        crate::store::next_random(&mut state)
    }

    #[inline]
    fn change(&self, cell: &OwnerCounter, by: i64) {
        if self.shared {
            cell.add_shared(by.cast_unsigned());
        } else {
            cell.add(by.cast_unsigned());
        }
    }
}

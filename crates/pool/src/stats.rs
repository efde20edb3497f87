//! [`PoolStats`], and [`ClassStats`] for each class, printed as a table.
//!
//! Tags: `[count]` figures.

use crate::class;
use crate::core::Core;
use std::fmt;
use stillpoint_primitive::sync::atomic::Ordering;

/// Figures of one moment: sums of per-thread counters, so not one atomic cut; a thread that is exchanging a magazine may be off by its
/// blocks (at most 8 KiB or two of them).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Blocks in use.
    pub blocks: u64,
    /// Their bytes, rounded up to their classes.
    pub bytes: u64,
    /// Bytes of slabs that have not been given back to the system.
    pub slab_bytes: u64,
    /// Address space mapped for slabs.
    pub mapped_bytes: u64,
    /// Bytes of blocks too large for slabs.
    pub large_bytes: u64,
}

/// Figures of one size class.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassStats {
    /// Bytes of a block.
    pub block_bytes: usize,
    /// Blocks in use.
    pub blocks: u64,
    /// Magazines with free blocks in the depot.
    pub depot_magazines: u64,
    /// Blocks that a magazine holds, at most.
    pub magazine_blocks: usize,
    /// Bytes of slabs.
    pub slab_bytes: u64,
}

/// Figures by class: those that have slabs, smallest first. `Display` makes a table of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassTable(pub Vec<ClassStats>);

impl fmt::Display for ClassTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["block", "in use", "bytes in use", "depot magazines", "slab bytes"];
        let [block, blocks, bytes, magazines, slabs] = head;
        writeln!(f, "{block:>8} {blocks:>12} {bytes:>14} {magazines:>16} {slabs:>12}")?;
        for class in &self.0 {
            let ClassStats { block_bytes, blocks, depot_magazines, slab_bytes, .. } = class;
            let bytes = blocks * *block_bytes as u64;
            writeln!(
                f,
                "{block_bytes:>8} {blocks:>12} {bytes:>14} {depot_magazines:>16} {slab_bytes:>12}"
            )?;
        }
        Ok(())
    }
}

impl Core {
    /// Blocks of a class in use.
    fn in_use(&self, class: usize) -> u64 {
        let shares = self.locals.iter().map(|local| local.shelves[class].in_use());
        // A thread that is exchanging a magazine is off by its blocks for a moment.
        (shares.fold(0, u64::wrapping_add) as i64).max(0) as u64
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let (mapped, slabs) = self.segments.bytes();
        // Relaxed [count]: a figure.
        let large_bytes = self.large_bytes.load(Ordering::Relaxed);
        let mut stats = PoolStats {
            // Relaxed [count]: a figure.
            blocks: self.large_blocks.load(Ordering::Relaxed),
            bytes: large_bytes,
            slab_bytes: slabs as u64,
            mapped_bytes: mapped as u64,
            large_bytes,
        };
        for class in 0..class::COUNT {
            let blocks = self.in_use(class);
            stats.blocks += blocks;
            stats.bytes += blocks * class::bytes_of(class) as u64;
        }
        stats
    }

    pub(crate) fn class_table(&self) -> ClassTable {
        let slabs = self.slabs().by_class();
        let used = (0..class::COUNT).filter(|class| slabs[*class] > 0);
        let figures = used.map(|class| ClassStats {
            block_bytes: class::bytes_of(class),
            blocks: self.in_use(class),
            depot_magazines: self.depots[class].full_magazines(),
            magazine_blocks: self.depots[class].capacity(),
            slab_bytes: slabs[class] * crate::slab::SLAB_BYTES as u64,
        });
        ClassTable(figures.collect())
    }
}

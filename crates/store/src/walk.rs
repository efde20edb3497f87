//! [`walk`]: a step of a walk over all keys of a space, whose bins are waited for together.
//!
//! ```text
//! bin by bin:   bin ····· version ····· shown   version ····· shown   bin ····· version ····· shown      (· waiting for memory)
//! in steps:     bins found, their versions looked at ····· all of them shown   bins found …              the next bins are on their way meanwhile
//! ```
//! Bins follow each other in the order of their reversed numbers, and versions lie anywhere: the processor foresees neither.
//!
//! # Invariants
//! 1. What is shown was found under the guard that the caller holds, so it may be looked at, however many bins were found after it.
//! 2. The walk is the index's: a cursor means the same whether bins are visited one by one or in steps.

use crate::engine::{HeadOf, Index, uncapped};
use std::hint::black_box;
use stillpoint_structures::Guard;

/// Bins of a step. A processor has a dozen or two requests under way; each bin leads to several.
const TOGETHER: usize = 16;
/// Keys that a bin holds at least, on average, in an index that has grown.
const KEYS_A_BIN: usize = 4;

/// How far a step has come.
pub(crate) struct Walked {
    /// The cursor of the next one, 0 after the last bin.
    pub(crate) next: u64,
    pub(crate) bins: usize,
}

/// Visits the keys of the bins from `cursor` on: as many bins as hold about `wanted` keys, but at least one, and no more than can be waited for together.
///
/// # Progress
/// That of the index's scan, for each bin.
pub(crate) fn walk<'g, O: Send + Sync + 'static>(
    index: &'g Index<O>,
    guard: &'g Guard<'g>,
    cursor: u64,
    wanted: usize,
    visit: impl FnMut(HeadOf<'g, O>),
) -> Walked {
    let most = (wanted / KEYS_A_BIN).clamp(1, TOGETHER);
    if most == 1 {
        return Walked { next: uncapped(index.scan(guard, cursor, visit)), bins: 1 };
    }
    // Of the first step; those of the others are there.
    index.prefetch_scan(guard, cursor, most);
    let mut heads: Vec<HeadOf<'g, O>> = Vec::with_capacity(2 * KEYS_A_BIN * most);
    let (mut next, mut bins) = (cursor, 0);
    while bins < most {
        next = uncapped(index.scan(guard, next, |head| heads.push(head)));
        bins += 1;
        if next == 0 {
            break;
        }
    }
    index.prefetch_scan(guard, next, most);
    // Loads that do not depend on each other, with nothing between them that could be foretold wrongly, are waited for together.
    let ends =
        heads.iter().map(|head| head.version().key().last().map_or(0, |end| usize::from(*end)));
    black_box(ends.sum::<usize>());
    heads.into_iter().for_each(visit);
    Walked { next, bins }
}

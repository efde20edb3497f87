//! Memory that a spike leaves behind.

use super::subject::{BLOCK, Subject};
use crate::plan::Figure;
use std::ptr::NonNull;
use stillpoint_testkit::rss_bytes;

/// `live` blocks stay while ten times as many come and go.
pub(crate) fn spike<S: Subject>(subject: &S, live: usize) -> Vec<Figure> {
    let take = |list: &mut Vec<NonNull<u8>>, count: usize| {
        for _ in 0..count {
            let block = subject.alloc();
            // SAFETY: ours, and so long.
            unsafe { block.write_bytes(7, BLOCK.size()) };
            list.push(block);
        }
    };
    // The lists themselves count before.
    let mut kept = vec![NonNull::dangling(); live];
    let mut spike = vec![NonNull::dangling(); 10 * live];
    kept.clear();
    spike.clear();
    let before = rss_bytes();
    take(&mut kept, live);
    take(&mut spike, 10 * live);
    let peak = rss_bytes().saturating_sub(before);
    // SAFETY: allocated above, freed once.
    unsafe { subject.free_many(&spike) };
    subject.trim();
    let after = rss_bytes().saturating_sub(before);
    let bytes = (live * BLOCK.size()) as f64;
    // SAFETY: as above.
    unsafe { subject.free_many(&kept) };
    vec![
        Figure::new("peak_over_live", "1", peak as f64 / bytes),
        Figure::new("rss_over_live_after_trim", "1", after as f64 / bytes),
    ]
}

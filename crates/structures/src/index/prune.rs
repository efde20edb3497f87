//! Cutting old versions out of a chain.
//!
//! ```text
//!  newer ─▶ x ─▶ y      1 x.next |= PRUNED  (x's link is final)      2 CAS newer.next: x → y      3 retire x
//! ```
//! Harris's list, with a head that is never cut: any number of pruners, no lock, nobody waits.
//!
//! # Invariants
//! 1. A version is cut out by one CAS on an unmarked link, and who succeeds retires it. That CAS fails if the version above is itself marked, so
//!    nothing is cut out of a dead branch while its reader or remover may still find it there.
//! 2. A marked version that its marker could not cut out is cut out by the next pruner who passes, or retired with the chain.
//! 3. The oldest version needs no mark: its link is null, and nothing can be cut out behind it.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[next]` | AcqRel mark and cut; pair with the Acquire loads of walkers and with each other |

use crate::index::VersionIndex;
use crate::index::version::{self, Header, PRUNED, USAGE, VersionRef};
use std::ptr::NonNull;
use stillpoint_primitive::sync::atomic::Ordering;

/// Times that a cut is tried again because just then the usage changed.
const TRIES: u32 = 16;

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> VersionIndex<O, D> {
    /// Cuts out every version older than `newer` that `keep` does not want. Returns how many versions this call cut out, and their bytes.
    ///
    /// Best effort: where two pruners meet, one of them leaves the rest to the other or to the next.
    ///
    /// # Progress
    /// Wait-free, at most as many steps as the chain is long.
    ///
    /// # Panics
    /// If the version's guard is of another collector.
    #[inline(always)]
    pub fn prune<'g>(
        &self,
        newer: VersionRef<'g, O, D>,
        mut keep: impl FnMut(VersionRef<'g, O, D>) -> bool,
    ) -> Pruned {
        self.check(newer.guard());
        let mut pruned = Pruned::default();
        let mut above = newer;
        // Acquire [next]: pairs with the CAS that published or relinked the version
        let mut link = above.header().next.load(Ordering::Acquire);
        loop {
            let Some(block) = NonNull::new(version::at(version::link(link))) else {
                return pruned;
            };
            if link & PRUNED != 0 {
                return pruned;
            }
            // SAFETY: reached from a version of this index over its links (version invariants 4, 5).
            let version = unsafe { VersionRef::new(block, newer.guard()) };
            // Acquire [next]: as above
            let next = version.header().next.load(Ordering::Acquire);
            if next & PRUNED == 0 && keep(version) {
                above = version;
                link = next;
                continue;
            }
            let Some(moved) = self.cut_out(above, link, version, next, &mut pruned) else {
                return pruned;
            };
            link = moved;
        }
    }

    /// Cuts out `older` if it is the next one below `newer`, and looks no further down: what this call cut out. Nothing if it is not the next one, or
    /// another pruner is just at it.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Panics
    /// If the version's guard is of another collector.
    #[inline]
    pub fn prune_next<'g>(
        &self,
        newer: VersionRef<'g, O, D>,
        older: VersionRef<'g, O, D>,
    ) -> Option<Pruned> {
        self.check(newer.guard());
        // Acquire [next]: as in `prune`
        let link = newer.header().next.load(Ordering::Acquire);
        if link & PRUNED != 0 || version::at(version::link(link)) != older.block().as_ptr() {
            return None;
        }
        // Acquire [next]: as in `prune`
        let next = older.header().next.load(Ordering::Acquire);
        let mut pruned = Pruned::default();
        self.cut_out(newer, link, older, next, &mut pruned).map(|_| pruned)
    }

    /// Marks `version`, which `link` leads to and which leads on by `next`, and cuts it out below `above`; what the link is then, or nothing if another
    /// pruner was faster.
    #[inline(always)]
    fn cut_out<'g>(
        &self,
        above: VersionRef<'g, O, D>,
        link: u64,
        version: VersionRef<'g, O, D>,
        mut next: u64,
        pruned: &mut Pruned,
    ) -> Option<u64> {
        if next & PRUNED == 0 && version::link(next) != 0 && self.marks() {
            // AcqRel [next]: the link is final from here
            next = version.header().next.fetch_or(PRUNED, Ordering::AcqRel);
        }
        let moved = cut(above.header(), link, version::link(next))?;
        pruned.versions += 1;
        let bytes = version.bytes();
        pruned.bytes += bytes;
        pruned.object_bytes += version.object_bytes();
        // SAFETY: cut out by this call alone (invariant 1); no new reader gets there.
        unsafe { version::retire::<O>(version.guard(), version.block(), bytes) };
        Some(moved)
    }

    #[cfg(stillpoint_loom)]
    fn marks(&self) -> bool {
        self.mutation != crate::index::mutation::Mutation::NoMark
    }

    #[cfg(not(stillpoint_loom))]
    #[inline(always)]
    fn marks(&self) -> bool {
        true
    }
}

/// Moves a link on, from the word that was found to another version; the word that it has then, or nothing: the version above is marked, or somebody was
/// faster.
#[inline(always)]
fn cut(above: &Header, mut link: u64, to: u64) -> Option<u64> {
    for _ in 0..TRIES {
        let moved = to | link & USAGE;
        // AcqRel [next]: the cut
        match above.next.compare_exchange(link, moved, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return Some(moved),
            Err(actual) if (actual ^ link) & !USAGE == 0 => link = actual,
            Err(_) => return None,
        }
    }
    None
}

/// What a prune cut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Versions.
    pub versions: usize,
    /// Their bytes in the pool.
    pub bytes: usize,
    /// Bytes of their objects, each as if it shared nothing with another.
    pub object_bytes: usize,
}

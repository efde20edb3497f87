//! [`Entry`]: a key with its value, one allocation; and the tags of the slot that names it.
//!
//! | slot | |
//! |---|---|
//! | null, no tag | UNFILLED: of a table that is being filled; never returned to |
//! | null, DEAD | EMPTY: free |
//! | entry, TENTATIVE | taken by an insert; counts once the header calls the slot valid |
//! | entry | confirmed: valid |
//! | entry, DEAD | removed |
//! | any of the last three, FROZEN | the bin is being moved: final |
//!
//! An entry never changes: a new value is a new entry in the same slot.

use stillpoint_reclaim::Shared;

/// The bin is being moved: this word is final.
pub(super) const FROZEN: usize = 1;
/// Its insert has not yet confirmed that the header made the slot valid.
pub(super) const TENTATIVE: usize = 2;
/// With an entry: removed. With null: the slot is free.
pub(super) const DEAD: usize = 4;

/// In this order, so that what a look compares lies where the block begins, mostly in one cache line with its header and the value's first words: the
/// compiler's own order puts what is large first, and a look then waits for two lines. (A key of a larger alignment than 8 is padded for it.)
#[repr(C)]
pub(super) struct Entry<K, V> {
    pub(super) hash: u64,
    pub(super) key: K,
    pub(super) value: V,
}

const _: () = assert!(std::mem::offset_of!(Entry<u64, [u64; 8]>, hash) == 0);
const _: () = assert!(std::mem::offset_of!(Entry<u64, [u64; 8]>, key) == 8);

/// What a free slot holds.
#[inline(always)]
pub(super) fn empty<'g, K, V>() -> Shared<'g, Entry<K, V>> {
    Shared::null().with_tag(DEAD)
}

/// A source of hashes may leave all its quality in some of the bits; a table needs it in all of them.
#[inline(always)]
pub(super) fn mixed(hash: u64) -> u64 {
    let hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 32)
}

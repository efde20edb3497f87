//! The slot word: one entry of a bin.
//!
//! ```text
//!  63            48 47                              3   2      1      0
//! ┌────────────────┬─────────────────────────────────┬────┬──────┬──────┐
//! │ tag (bit 63=1) │ address of the newest version   │DEAD│TENTAT│FROZEN│
//! └────────────────┴─────────────────────────────────┴────┴──────┴──────┘
//!   special words:  0 = UNINIT (bin of a table that is being filled)      8 = EMPTY
//! ```
//! The tag is the upper 16 bits of the key's hash with bit 63 forced to 1, so that no special word can match a tag.
//!
//! | from | to | by | how |
//! |---|---|---|---|
//! | UNINIT | EMPTY or a version | whoever migrates the bin | CAS |
//! | EMPTY | version TENTATIVE | an inserter | CAS |
//! | version TENTATIVE | version | its inserter, after the header made it valid | CAS |
//! | version TENTATIVE, never made valid | EMPTY | its inserter | store: the slot is its own |
//! | version [TENTATIVE], valid | newer version of the same key | any writer | CAS |
//! | version [TENTATIVE], valid | version DEAD | any writer | CAS: the key is gone |
//! | version DEAD, no longer valid | EMPTY | who cleared the valid bit | store: the slot is its own |
//! | any, valid in a frozen header | the same, FROZEN | whoever migrates the bin | fetch_or |
//!
//! A FROZEN word never changes again. UNINIT is never returned to, which is what makes a migrator that slept harmless.

/// Bin of a table under construction: not yet filled.
pub(crate) const UNINIT: u64 = 0;
/// A free slot.
pub(crate) const EMPTY: u64 = 8;
/// The bin is being moved: this word is final.
pub(crate) const FROZEN: u64 = 1;
/// The inserter has not yet confirmed that the header made the slot valid.
pub(crate) const TENTATIVE: u64 = 2;
/// The key was removed.
pub(crate) const DEAD: u64 = 4;

const ADDRESS: u64 = 0x0000_ffff_ffff_fff8;
const TAG: u64 = 0xffff_0000_0000_0000;
const TAG_SET: u64 = 1 << 63;

/// The tag of a hash, in its place in the word.
#[inline]
pub(crate) const fn tag(hash: u64) -> u64 {
    (hash & TAG) | TAG_SET
}

/// Whether the word's tag is `tag`; never true for UNINIT and EMPTY.
#[inline]
pub(crate) const fn has_tag(word: u64, tag: u64) -> bool {
    (word ^ tag) & TAG == 0
}

/// The word for a version at `address`.
#[inline]
pub(crate) fn word(address: u64, tag: u64) -> u64 {
    debug_assert!(
        address & !ADDRESS == 0 && address > EMPTY,
        "version at {address:#x} does not fit a slot word"
    );
    address | tag
}

/// The address in a word.
#[inline]
pub(crate) const fn address(word: u64) -> u64 {
    word & ADDRESS
}

/// The word without FROZEN and TENTATIVE, as it goes into a new table.
#[inline]
pub(crate) const fn settled(word: u64) -> u64 {
    word & !(FROZEN | TENTATIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_words_match_no_tag() {
        for hash in [0, 1, u64::MAX, 1 << 63, 0x7fff << 48] {
            assert!(!has_tag(UNINIT, tag(hash)));
            assert!(!has_tag(EMPTY, tag(hash)));
            assert!(has_tag(word(0x7f00_0000_1230, tag(hash)) | DEAD | FROZEN, tag(hash)));
        }
    }

    #[test]
    fn a_word_gives_back_its_address() {
        let word = word(0x7f00_0000_1238, tag(0x1234 << 48)) | FROZEN | TENTATIVE | DEAD;
        assert_eq!(address(word), 0x7f00_0000_1238);
        assert_eq!(settled(word) & 7, DEAD);
    }
}

//! Size classes: which block size serves a request.
//!
//! | request, bytes | step | classes |
//! |---|---|---|
//! | 1 … 256 | 8 | 32 |
//! | … 512 | 16 | 16 |
//! | … 32 KiB | about 1/8 of the size, multiple of 64 | 33 |
//! | larger | no class ([`LARGE`]): a block of its own | |
//!
//! Small steps matter because a version's header, key and value are one block: with 8-byte steps nothing is rounded away.
//!
//! A block is aligned to the largest power of two up to 64 that divides its class's size, since a slab's first block is aligned to 64.
//! Every multiple of 16, 32 or 64 has a class that is itself such a multiple (checked below), so a request that is a multiple of its
//! alignment gets it.

const FINE_END: usize = 256;
const MIDDLE_END: usize = 512;
const COARSE_STEP: usize = 64;
/// The largest block that comes out of a slab: two of them must fit beside the slab's header.
pub(crate) const LARGEST: usize = 32_000 & !63;

const fn build() -> ([u32; CAPACITY], usize) {
    let mut sizes = [0; CAPACITY];
    let mut count = 0;
    let mut size = 8;
    while size <= LARGEST {
        sizes[count] = size as u32;
        count += 1;
        size += if size < FINE_END {
            8
        } else if size < MIDDLE_END {
            16
        } else if size == LARGEST {
            1
        } else {
            let step = (size / 8) & !63;
            let next = size + if step < 64 { 64 } else { step };
            (if next > LARGEST { LARGEST } else { next }) - size
        };
    }
    (sizes, count)
}

const CAPACITY: usize = 96;
const BUILT: ([u32; CAPACITY], usize) = build();
/// Number of classes.
pub(crate) const COUNT: usize = BUILT.1;
/// In place of a class: a block of its own.
pub(crate) const LARGE: usize = COUNT;
const SIZES: [u32; CAPACITY] = BUILT.0;

/// The class of a coarse request, by ⌈bytes / 64⌉.
const COARSE: [u8; LARGEST / COARSE_STEP + 1] = {
    let mut table = [0; LARGEST / COARSE_STEP + 1];
    let (mut at, mut class) = (0, 0);
    while at < table.len() {
        while (SIZES[class] as usize) < at * COARSE_STEP {
            class += 1;
        }
        table[at] = class as u8;
        at += 1;
    }
    table
};

/// The block size of a class; `LARGE` has none.
#[inline]
pub(crate) const fn bytes_of(class: usize) -> usize {
    SIZES[class] as usize
}

/// The class for `bytes`, or [`LARGE`].
#[inline(always)]
pub(crate) const fn class_for(bytes: usize) -> usize {
    if bytes <= FINE_END {
        bytes.saturating_sub(1) / 8
    } else if bytes <= MIDDLE_END {
        FINE_END / 8 + (bytes - FINE_END - 1) / 16
    } else if bytes <= LARGEST {
        COARSE[bytes.div_ceil(COARSE_STEP)] as usize
    } else {
        LARGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_gets_the_smallest_class_that_holds_it() {
        for bytes in 1..=LARGEST {
            let class = class_for(bytes);
            assert!(bytes_of(class) >= bytes, "{bytes}");
            assert!(class == 0 || bytes_of(class - 1) < bytes, "{bytes}");
        }
        assert_eq!(class_for(LARGEST + 1), LARGE);
        assert_eq!(class_for(0), 0);
        assert_eq!(bytes_of(class_for(104)), 104);
    }

    #[test]
    fn a_multiple_of_an_alignment_gets_a_block_that_is_one() {
        for align in [8, 16, 32, 64] {
            for bytes in (align..=LARGEST).step_by(align) {
                assert_eq!(bytes_of(class_for(bytes)) % align, 0, "{bytes} bytes, align {align}");
            }
        }
    }
}

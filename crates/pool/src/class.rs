//! Size classes: which block size serves a request.
//!
//! | request, bytes | step | classes |
//! |---|---|---|
//! | 1 … 256 | 8 | 32 |
//! | … 512 | 16 | 16 |
//! | … 32 KiB | about 1/8 of the size, multiple of 64 | 33 |
//! | larger | no class: a block of its own (`large`) | |
//!
//! Small steps matter because a version's header, key and value are one block: with 8-byte steps nothing is rounded away.

const FINE_END: usize = 256;
const MIDDLE_END: usize = 512;
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
const SIZES: [u32; CAPACITY] = BUILT.0;

/// The block size of a class.
#[inline]
pub(crate) const fn bytes_of(class: usize) -> usize {
    SIZES[class] as usize
}

/// The class for `bytes`, or `None` when it needs a block of its own.
#[inline]
pub(crate) fn class_for(bytes: usize) -> Option<usize> {
    if bytes <= FINE_END {
        Some(bytes.saturating_sub(1) / 8)
    } else if bytes <= MIDDLE_END {
        Some(FINE_END / 8 + (bytes - FINE_END - 1) / 16)
    } else if bytes <= LARGEST {
        Some(SIZES[..COUNT].partition_point(|&size| (size as usize) < bytes))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_gets_the_smallest_class_that_holds_it() {
        for bytes in 1..=LARGEST {
            let class = class_for(bytes).unwrap();
            assert!(bytes_of(class) >= bytes, "{bytes}");
            assert!(class == 0 || bytes_of(class - 1) < bytes, "{bytes}");
        }
        assert_eq!(class_for(LARGEST + 1), None);
        assert_eq!(class_for(0), Some(0));
        assert_eq!(bytes_of(class_for(104).unwrap()), 104);
    }
}

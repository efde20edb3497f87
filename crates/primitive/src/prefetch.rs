//! [`prefetch`] and [`prefetch_lines`]: ask for cache lines ahead of their use.

/// Asks the processor to fetch the line at `address` into its cache. A hint: any address will do, nothing is read.
///
/// # Progress
/// Wait-free.
#[inline(always)]
pub fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch never faults and reads nothing.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;

/// As [`prefetch`], for so many lines from `address` on. A processor has only so many requests under way (a dozen or two): what is asked for
/// beyond them delays what is needed first.
///
/// # Progress
/// Wait-free.
///
/// # Cost
/// A hint a line.
#[inline(always)]
pub fn prefetch_lines(address: *const u8, lines: usize) {
    for line in 0..lines {
        prefetch(address.wrapping_add(line * LINE_BYTES));
    }
}

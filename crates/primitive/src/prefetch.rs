//! [`prefetch`]: asks for a cache line ahead of its use.

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

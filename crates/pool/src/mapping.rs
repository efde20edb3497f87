//! [`Mapping`]: anonymous memory from the system, zeroed, page by page resident once it is written to.

use std::ptr::NonNull;

/// The system's pages.
fn page_bytes() -> usize {
    // SAFETY: asks for a figure.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).ok().filter(|bytes| bytes.is_power_of_two()).unwrap_or(1 << 16)
}

/// A mapping, unmapped when it is dropped: nothing in it may be in use then.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: memory may be unmapped by any thread.
unsafe impl Send for Mapping {}
// SAFETY: what is shared is an address.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// `None` when the system refuses.
    pub(crate) fn new(bytes: usize) -> Option<Mapping> {
        // SAFETY: an anonymous private mapping at an address of the system's choice touches nothing of ours.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        Some(Mapping { start: NonNull::new(start.cast())?, bytes })
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: a mapping of ours, with nothing in use.
        let outcome = unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert_eq!(outcome, 0, "a mapping of our own can be unmapped");
    }
}

/// Gives the whole pages among `bytes` bytes back to the system; all of the bytes read as zeroes from now on.
///
/// # Safety
/// They lie in one mapping, and hold nothing any more.
pub(crate) unsafe fn decommit(at: NonNull<u8>, bytes: usize) {
    let page_bytes = page_bytes();
    let before = at.as_ptr().align_offset(page_bytes).min(bytes);
    let whole = (bytes - before) & !(page_bytes - 1);
    // SAFETY: inside the caller's bytes.
    let pages = unsafe { at.add(before) };
    // SAFETY: whole pages of a private anonymous mapping of ours that hold nothing any more.
    let outcome = unsafe { libc::madvise(pages.as_ptr().cast(), whole, libc::MADV_DONTNEED) };
    // Only Linux promises zeroes. What the system keeps (pages in part, for one) is ours to write.
    let kept = if outcome == 0 && cfg!(target_os = "linux") { whole } else { 0 };
    // SAFETY: inside the caller's bytes, which hold nothing.
    unsafe { at.as_ptr().write_bytes(0, before) };
    // SAFETY: inside the caller's bytes.
    let behind = unsafe { pages.add(kept) };
    // SAFETY: as above.
    unsafe { behind.as_ptr().write_bytes(0, bytes - before - kept) };
}

#[cfg(all(test, not(any(stillpoint_loom, stillpoint_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_reads_as_zeroes_and_its_neighbours_stay() {
        let page = page_bytes();
        let mapping = Mapping::new(4 * page).unwrap();
        for (from, bytes) in [(100, 3 * page), (0, 2 * page), (5, 6), (page, 0)] {
            let at = |offset| {
                // SAFETY: inside the mapping, or its end.
                unsafe { mapping.start().add(offset) }
            };
            // SAFETY: inside the mapping, which is ours.
            unsafe { at(0).as_ptr().write_bytes(7, 4 * page) };
            // SAFETY: as above.
            unsafe { decommit(at(from), bytes) };
            for offset in 0..4 * page {
                let expected = if (from..from + bytes).contains(&offset) { 0 } else { 7 };
                // SAFETY: as above.
                assert_eq!(unsafe { at(offset).read() }, expected, "{offset}");
            }
        }
    }
}

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

    /// The same, beginning at a multiple of `align`, a power of two and of the system's pages, as `bytes` are.
    pub(crate) fn aligned(bytes: usize, align: usize) -> Option<Mapping> {
        let mut mapping = Mapping::new(bytes)?;
        if mapping.start.as_ptr().align_offset(align) == 0 {
            return Some(mapping);
        }
        // Again, with room to move.
        drop(mapping);
        mapping = Mapping::new(bytes.checked_add(align)?)?;
        let before = mapping.start.as_ptr().align_offset(align);
        // SAFETY: less than `align`, by which the mapping is too long.
        let start = unsafe { mapping.start.add(before) };
        // SAFETY: inside the mapping, or its end.
        let end = unsafe { start.add(bytes) };
        for (at, surplus) in [(mapping.start, before), (end, align - before)] {
            if surplus > 0 {
                // SAFETY: whole pages of our own mapping, with nothing in them.
                let outcome = unsafe { libc::munmap(at.as_ptr().cast(), surplus) };
                debug_assert_eq!(outcome, 0, "a part of our own mapping can be unmapped");
            }
        }
        (mapping.start, mapping.bytes) = (start, bytes);
        Some(mapping)
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }
}

/// What the system is told of pages that it has not given yet, and of those that it may give together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pages {
    /// One by one.
    Small,
    /// All that fill a huge one at once, at the first touch of any of them.
    Huge,
}

/// Tells the system how to give the pages of some bytes. A hint.
///
/// # Safety
/// They are whole pages of one mapping.
pub(crate) unsafe fn advise(at: NonNull<u8>, bytes: usize, pages: Pages) {
    #[cfg(target_os = "linux")]
    {
        let advice = match pages {
            Pages::Small => libc::MADV_NOHUGEPAGE,
            Pages::Huge => libc::MADV_HUGEPAGE,
        };
        // SAFETY: changes nothing that a program can read.
        let _refused_where_there_are_none =
            unsafe { libc::madvise(at.as_ptr().cast(), bytes, advice) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (at, bytes, pages);
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

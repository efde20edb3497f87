//! [`Label`]: a name that one thread writes and any thread reads, neither waiting for the other.
//!
//! ```text
//! version   even: at rest · odd: being written          ptr, len   the parts of a `&'static str`; null: no name
//! ```
//! Always `std`'s atomics, under the model checkers too: a name is no part of any protocol, and would only multiply their states.
//!
//! Tags: `[label]`: the writer makes the version odd, fences (Release), writes the parts, makes it even (Release); a reader takes the
//! version (Acquire), the parts, fences (Acquire), and believes the parts if the version is even and has not moved.

use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};

/// How often a reader tries while the name changes under it.
const TRIES: u32 = 4;

/// A place for a `&'static str` with one writer at a time; the hand-over between writers is the caller's business.
#[derive(Debug, Default)]
pub struct Label {
    version: AtomicU64,
    ptr: AtomicPtr<u8>,
    len: AtomicUsize,
}

impl Label {
    /// Sets the name. Called by the owner only.
    ///
    /// # Progress
    /// Wait-free: four stores.
    pub fn set(&self, name: Option<&'static str>) {
        // Relaxed [label]: one writer.
        let version = self.version.load(Ordering::Relaxed);
        // Relaxed [label]: the fence orders it before the parts.
        self.version.store(version.wrapping_add(1) | 1, Ordering::Relaxed);
        // Release [label]: who sees a part sees the odd version.
        fence(Ordering::Release);
        let (ptr, len) = name.map_or((core::ptr::null(), 0), |name| (name.as_ptr(), name.len()));
        // Relaxed [label]: between the versions.
        self.ptr.store(ptr.cast_mut(), Ordering::Relaxed);
        // Relaxed [label]: between the versions.
        self.len.store(len, Ordering::Relaxed);
        // Release [label]: who sees it sees both parts.
        self.version.store((version.wrapping_add(1) | 1).wrapping_add(1), Ordering::Release);
    }

    /// The name, as far as it stands still; `None` too when it changes all the time.
    ///
    /// # Progress
    /// Wait-free: at most four rounds.
    pub fn get(&self) -> Option<&'static str> {
        (0..TRIES).find_map(|_| self.try_get()).flatten()
    }

    fn try_get(&self) -> Option<Option<&'static str>> {
        // Acquire [label]: the parts are as new as it, or newer.
        let version = self.version.load(Ordering::Acquire);
        // Relaxed [label]: between the versions.
        let ptr = self.ptr.load(Ordering::Relaxed);
        // Relaxed [label]: between the versions.
        let len = self.len.load(Ordering::Relaxed);
        // Acquire [label]: had a part come from a later writing, the version below would be later.
        fence(Ordering::Acquire);
        // Relaxed [label]: after the fence.
        if version % 2 == 1 || self.version.load(Ordering::Relaxed) != version {
            return None;
        }
        if ptr.is_null() {
            return Some(None);
        }
        // SAFETY: both parts are of one `set`, since the version was even and did not move: of a `&'static str`.
        let bytes = unsafe { core::slice::from_raw_parts(ptr, len) };
        // SAFETY: as above.
        Some(Some(unsafe { core::str::from_utf8_unchecked(bytes) }))
    }
}

#[cfg(test)]
mod tests {
    use super::Label;
    use core::sync::atomic::{AtomicBool, Ordering};

    const NAMES: [&str; 3] = ["a", "somewhat longer", "the longest of the three by far"];

    #[test]
    fn keeps_what_was_set() {
        let label = Label::default();
        assert_eq!(label.get(), None);
        label.set(Some("scan"));
        assert_eq!(label.get(), Some("scan"));
        label.set(None);
        assert_eq!(label.get(), None);
    }

    #[test]
    fn a_reader_never_sees_parts_of_two_names() {
        let (label, done) = (Label::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 0..200_000 {
                    label.set((turn % 4 != 3).then(|| NAMES[turn % 4]));
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                if let Some(name) = label.get() {
                    assert!(NAMES.contains(&name), "{name}");
                }
            }
        });
    }
}

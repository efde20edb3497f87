//! [`DropCounter`]: how many objects were made and how many were dropped, and that each was dropped once.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a live object's mark reads.
const ALIVE: u64 = 0x0A11_7E5A_11FE_C0DE;
/// What a dropped object's mark reads, as long as nobody uses its memory again.
const DROPPED: u64 = 0xDEAD_0B1E_C7DE_AD00;

#[derive(Default)]
struct Counts {
    made: AtomicU64,
    dropped: AtomicU64,
}

/// Counts the objects made with it; a cheap handle.
///
/// # Examples
/// ```
/// use stillpoint_testkit::DropCounter;
///
/// let counter = DropCounter::new();
/// let stack = vec![counter.make(1), counter.make(2)];
/// assert_eq!(*stack[1], 2);
/// assert_eq!(counter.live(), 2);
/// drop(stack);
/// counter.assert_balanced(2);
/// ```
#[derive(Clone, Default)]
pub struct DropCounter(Arc<Counts>);

impl DropCounter {
    /// Nothing made, nothing dropped.
    pub fn new() -> Self {
        DropCounter::default()
    }

    /// `value`, counted.
    pub fn make<T>(&self, value: T) -> Counted<T> {
        self.0.made.fetch_add(1, Ordering::SeqCst);
        Counted { mark: AtomicU64::new(ALIVE), counter: self.clone(), value }
    }

    /// How many were made, clones included.
    pub fn made(&self) -> u64 {
        self.0.made.load(Ordering::SeqCst)
    }

    /// How many were dropped.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::SeqCst)
    }

    /// How many are left.
    ///
    /// # Panics
    /// When more were dropped than made.
    pub fn live(&self) -> u64 {
        let (dropped, made) = (self.dropped(), self.made());
        made.checked_sub(dropped)
            .unwrap_or_else(|| panic!("{dropped} objects dropped, only {made} made"))
    }

    /// That `made` were made, and all of them dropped.
    ///
    /// # Panics
    /// Else.
    #[track_caller]
    pub fn assert_balanced(&self, made: u64) {
        assert_eq!((self.made(), self.dropped()), (made, made), "(made, dropped)");
    }

    /// That all that were made, however many, were dropped.
    ///
    /// # Panics
    /// Else.
    #[track_caller]
    pub fn assert_none_left(&self) {
        assert_eq!(self.dropped(), self.made(), "objects dropped, objects made");
    }
}

impl fmt::Debug for DropCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DropCounter({} made, {} dropped)", self.made(), self.dropped())
    }
}

/// A value that its [`DropCounter`] knows about. Compares, hashes and prints as the value; a clone is an object of its own.
pub struct Counted<T> {
    mark: AtomicU64,
    counter: DropCounter,
    value: T,
}

impl<T> Counted<T> {
    /// That it is alive: best effort, since freed memory may be anybody's.
    #[track_caller]
    fn check(&self) {
        let mark = self.mark.load(Ordering::Relaxed);
        assert_eq!(mark, ALIVE, "read after its drop (the mark is {mark:#x})");
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        let mark = self.mark.swap(DROPPED, Ordering::Relaxed);
        if mark != ALIVE {
            // Not a panic: that would drop what surrounds it, perhaps this object once more.
            eprintln!("an object was dropped twice (the mark is {mark:#x})");
            std::process::abort();
        }
        self.counter.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl<T> Deref for Counted<T> {
    type Target = T;
    #[track_caller]
    fn deref(&self) -> &T {
        self.check();
        &self.value
    }
}

impl<T: Clone> Clone for Counted<T> {
    fn clone(&self) -> Self {
        self.counter.make((**self).clone())
    }
}

impl<T: fmt::Debug> fmt::Debug for Counted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Counted<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Counted<T> {}

impl<T: PartialOrd> PartialOrd for Counted<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (**self).partial_cmp(&**other)
    }
}

impl<T: Ord> Ord for Counted<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl<T: std::hash::Hash> std::hash::Hash for Counted<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::DropCounter;

    #[test]
    fn clones_and_drops_are_counted() {
        let counter = DropCounter::new();
        let first = counter.make("x");
        let second = first.clone();
        assert_eq!(first, second);
        drop(first);
        assert_eq!((counter.made(), counter.dropped(), counter.live()), (2, 1, 1));
        drop(second);
        counter.assert_balanced(2);
    }

    #[test]
    #[should_panic(expected = "objects dropped, objects made")]
    fn what_is_left_is_noticed() {
        let counter = DropCounter::new();
        let _left = counter.make(());
        counter.assert_none_left();
    }
}

//! What the suite asks of a store: [`Subject`] of single keys, [`Transactional`] of several at once.

/// The keys of this suite, as `stillpoint_testkit::key` makes them.
pub(crate) type Key = [u8; stillpoint_testkit::KEY_BYTES];

/// The largest value of the suite.
pub(crate) const MAX_VALUE_BYTES: u64 = 4096;

/// A map from bytes to bytes, shared by threads. Values have at least 8 bytes; the first eight are a number that some operations change.
pub(crate) trait Subject: Send + Sync + Sized {
    /// Whether [`modify`](Subject::modify) is atomic here; else the workload that needs it is left out.
    const MODIFIES: bool = true;
    /// Whether [`scan`](Subject::scan) is there.
    const IS_ORDERED: bool = false;

    fn new() -> Self;

    /// Puts the keys of these numbers.
    fn fill(&self, keys: u64, value: &[u8]) {
        (0..keys).for_each(|number| self.put(&stillpoint_testkit::key(number), value));
    }

    /// Copies the key's value to the beginning of `out`; whether there was one.
    fn get(&self, key: &Key, out: &mut [u8]) -> bool;

    /// Inserts, or replaces.
    fn put(&self, key: &Key, value: &[u8]);

    /// Adds one to the number of the key's value, atomically.
    fn modify(&self, key: &Key);

    /// Copies up to `count` values from `first` on, one after the other, to the beginning of `out`; how many.
    fn scan(&self, _first: &Key, _count: usize, _out: &mut [u8]) -> usize {
        0
    }

    /// How often a thread finished another's step, if that is counted.
    fn helps(&self) -> Option<u64> {
        None
    }

    /// Versions beside the newest ones, if that is counted.
    fn old_versions(&self) -> Option<u64> {
        None
    }
}

/// The attempt is in vain: begin again.
#[derive(Debug)]
pub(crate) struct Retry;

/// What one attempt of a transaction may do.
pub(crate) trait Attempt {
    /// The number of the key's value.
    fn balance(&mut self, key: &Key) -> Result<i64, Retry>;
    /// Reads the key's value and writes it with `by` added to its number; the number that it has then.
    fn add(&mut self, key: &Key, by: i64) -> Result<i64, Retry>;
}

/// The body of a transaction; it may run more than once.
pub(crate) type Body<'b> = &'b mut dyn FnMut(&mut dyn Attempt) -> Result<(), Retry>;

/// A store with serialisable transactions.
pub(crate) trait Transactional: Subject {
    /// Runs `body` until it commits, or until `goes_on` says no. `keys` are all that it may touch, for who must lock them beforehand.
    /// How many attempts were in vain.
    fn transact(&self, keys: &[Key], goes_on: &dyn Fn() -> bool, body: Body<'_>) -> u64;
}

/// A snapshot that somebody holds: the number that a key has in it.
pub(crate) type Held<'s> = Box<dyn Fn(&Key) -> i64 + 's>;

/// A store with snapshots that may be held while others write.
pub(crate) trait Versioned: Subject {
    fn hold(&self) -> Held<'_>;
}

/// Tries `attempt` until it succeeds; how often it did not. For those who have no loop, and no pause between attempts, of their own.
pub(crate) fn until_done(goes_on: &dyn Fn() -> bool, mut attempt: impl FnMut() -> bool) -> u64 {
    let mut in_vain = 0;
    while !attempt() {
        in_vain += 1;
        if !goes_on() {
            break;
        }
        std::thread::yield_now();
    }
    in_vain
}

/// Copies `value` to the beginning of `out`.
#[inline(always)]
pub(crate) fn copy(value: &[u8], out: &mut [u8]) -> bool {
    out.get_mut(..value.len()).map(|out| out.copy_from_slice(value)).is_some()
}

/// The number at a value's beginning.
#[inline(always)]
pub(crate) fn number(value: &[u8]) -> i64 {
    value.first_chunk().map_or(0, |word| i64::from_le_bytes(*word))
}

/// A copy of the value with `by` added to its number.
#[inline(always)]
pub(crate) fn added<B: for<'v> From<&'v [u8]> + AsMut<[u8]>>(value: &[u8], by: i64) -> B {
    let mut copy = B::from(value);
    add_in_place(copy.as_mut(), by);
    copy
}

/// Adds `by` to the value's number.
#[inline(always)]
pub(crate) fn add_in_place(value: &mut [u8], by: i64) {
    let sum = number(value).wrapping_add(by);
    value[..8].copy_from_slice(&sum.to_le_bytes());
}

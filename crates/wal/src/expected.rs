//! [`Expected`]: about how many keys recovery will bring back, so that there is room for them before they come.
//!
//! ```text
//!  checkpoint   says how many keys it has
//!  log          its last segment is looked through: how many records, and of how many different keys
//! ```
//! Where nearly each record has a key of its own, the segments before the last will have others; else they will have about the same.
//!
//! Different keys are counted by the bits that their checksums set: of `n` bits, with `z` still clear, as good as certainly about `n ln (n / z)`.

use crate::error::OpenError;
use crate::record::RecordValue;
use crate::segment::Segment;
use std::collections::BTreeMap;

/// Segments that are taken to be like the last one, at most: as many as there are between two checkpoints by default.
const ALIKE: u64 = 4;
/// Bits by which different keys are counted, a power of two.
const BITS: usize = 1 << 20;

/// Keys by space.
#[derive(Default)]
pub(crate) struct Expected(BTreeMap<u8, u64>);

struct Seen {
    records: u64,
    bits: Vec<u64>,
}

impl Expected {
    pub(crate) fn add(&mut self, space: u8, keys: u64) {
        let expected = self.0.entry(space).or_default();
        *expected = expected.saturating_add(keys);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, u64)> {
        self.0.iter().map(|(&space, &keys)| (space, keys))
    }

    /// Adds what the log brings, of which the last of so many segments is at hand. Whether that has anything.
    pub(crate) fn add_log(
        &mut self,
        last: &Segment,
        after: u64,
        segments: u64,
    ) -> Result<bool, OpenError> {
        let mut seen: BTreeMap<u8, Seen> = BTreeMap::new();
        last.frames_back(after, |records| {
            for record in records.iter().filter(|record| record.value != RecordValue::Removed) {
                seen.entry(record.space).or_insert_with(Seen::nothing).note(record.key);
            }
            Ok(())
        })?;
        let has_any = !seen.is_empty();
        for (space, seen) in seen {
            let keys = seen.different();
            let are_new = keys > seen.records / 10 * 9;
            self.add(space, if are_new { keys * segments.min(ALIKE) } else { keys });
        }
        Ok(has_any)
    }
}

impl Seen {
    fn nothing() -> Self {
        Seen { records: 0, bits: vec![0; BITS / 64] }
    }

    fn note(&mut self, key: &[u8]) {
        let bit = crc32fast::hash(key) as usize % BITS;
        self.bits[bit / 64] |= 1 << (bit % 64);
        self.records += 1;
    }

    fn different(&self) -> u64 {
        let clear: u32 = self.bits.iter().map(|word| word.count_zeros()).sum();
        let keys = BITS as f64 * (BITS as f64 / f64::from(clear.max(1))).ln();
        (keys as u64).min(self.records)
    }
}

//! [`Compressor`]: LZF, as Redis keeps long strings.
//!
//! ```text
//! 000lllll            l + 1 bytes as they are           111ooooo llllllll oooooooo   l + 9 bytes from o + 1 before
//! lllooooo oooooooo   l + 2 bytes from o + 1 before
//! ```
//! The crate that decompresses also compresses, but clears a table of 256 KiB for every string, which was half the time of a save. Here a table serves
//! all strings of a save: places are counted on from string to string, so what an earlier one left there lies before this one's first byte.
//!
//! Invariant: an entry above `passed` is a place of the present string, less than the place looked at (plus `passed` and 1).
//!
//! Source: the format is that of M. Lehmann's LibLZF.

/// How far back a reference reaches.
const WINDOW: usize = 1 << 13;
/// Bytes of a reference at the least and at the most.
const LEAST: usize = 3;
const MOST: usize = 264;
/// Literals after one head byte.
const RUN: usize = 32;
/// Entries of the table, by the string's length.
const TABLE: std::ops::RangeInclusive<usize> = 1 << 8..=1 << 14;
/// After so many places in vain (as a shift) one more is passed over each time: what does not compress is soon left alone.
const PATIENCE_SHIFT: u32 = 6;

/// Compresses one string after the other.
#[derive(Default)]
pub(super) struct Compressor {
    /// By the hash of three bytes: `passed`, and 1, and where in the string they were.
    places: Vec<u32>,
    /// Bytes of the strings before this one, and of this one.
    passed: u32,
    len: u32,
    packed: Vec<u8>,
}

impl Compressor {
    /// The text compressed, if that makes it shorter by four bytes at least, as Redis has it.
    ///
    /// # Cost
    /// Time as the text is long; 64 KiB at the most, which stay.
    pub(super) fn compress(&mut self, text: &[u8]) -> Option<&[u8]> {
        let room = text.len().checked_sub(4)?;
        self.make_ready(text.len())?;
        let (mut at, mut unwritten, mut misses) = (0, 0, 0);
        while let Some(word) = word_at(text, at) {
            let Some(from) = self.before(word, at).filter(|from| matches(text, *from, word)) else {
                misses += 1;
                at += 1 + (misses >> PATIENCE_SHIFT);
                continue;
            };
            self.literals(&text[unwritten..at]);
            let len = LEAST + common(&text[from + LEAST..], &text[at + LEAST..]);
            self.reference(at - from - 1, len);
            if self.packed.len() > room {
                return None;
            }
            (misses, at) = (0, at + len);
            unwritten = at;
            if let Some(word) = word_at(text, at - 1) {
                self.before(word, at - 1);
            }
        }
        if self.packed.len() + text.len() - unwritten > room {
            return None;
        }
        self.literals(&text[unwritten..]);
        (self.packed.len() <= room).then_some(&self.packed)
    }

    /// Prepares the table for a string of so many bytes; `None` for one that is too long to be counted.
    fn make_ready(&mut self, len: usize) -> Option<()> {
        let entries = len.next_power_of_two().clamp(*TABLE.start(), *TABLE.end());
        let len = u32::try_from(len).ok().filter(|len| *len < u32::MAX)?;
        self.packed.clear();
        self.passed = self.passed.saturating_add(self.len);
        if self.places.len() < entries || self.passed > u32::MAX - 1 - len {
            self.places = vec![0; entries.max(self.places.len())];
            self.passed = 0;
        }
        self.len = len;
        Some(())
    }

    /// Where three such bytes were last, within reach; notes that they are `at` now.
    fn before(&mut self, word: u32, at: usize) -> Option<usize> {
        let hash = (word << 8).wrapping_mul(0x9e37_79b1) >> 16;
        let slot = hash as usize & (self.places.len() - 1);
        let here = self.passed + 1 + at as u32;
        let there = std::mem::replace(&mut self.places[slot], here);
        let from = there.checked_sub(self.passed + 1)? as usize;
        (at - from <= WINDOW).then_some(from)
    }

    fn literals(&mut self, mut text: &[u8]) {
        while !text.is_empty() {
            let (run, rest) = text.split_at(text.len().min(RUN));
            self.packed.push(run.len() as u8 - 1);
            self.packed.extend_from_slice(run);
            text = rest;
        }
    }

    fn reference(&mut self, offset: usize, len: usize) {
        let (high, low, len) = ((offset >> 8) as u8, offset as u8, len - 2);
        if len < 7 {
            self.packed.extend_from_slice(&[(len as u8) << 5 | high, low]);
        } else {
            self.packed.extend_from_slice(&[7 << 5 | high, (len - 7) as u8, low]);
        }
    }
}

/// The three bytes there, if there are four.
fn word_at(text: &[u8], at: usize) -> Option<u32> {
    let bytes = text.get(at..at + 4)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes) & 0xff_ffff)
}

fn matches(text: &[u8], from: usize, word: u32) -> bool {
    word_at(text, from) == Some(word)
}

/// Bytes that are the same in both from the first on, as far as a reference counts.
fn common(earlier: &[u8], later: &[u8]) -> usize {
    let most = later.len().min(MOST - LEAST);
    let same = |(a, b): &(&u8, &u8)| a == b;
    let words = earlier.chunks_exact(8).zip(later[..most].chunks_exact(8));
    let whole = 8 * words.take_while(|(a, b)| a == b).count();
    whole + earlier[whole..].iter().zip(&later[whole..most]).take_while(same).count()
}

#[cfg(test)]
mod tests {
    use super::{Compressor, WINDOW};

    /// Compresses and decompresses; bytes that it took.
    fn round_trip(compressor: &mut Compressor, text: &[u8]) -> Option<usize> {
        let packed = compressor.compress(text)?;
        assert!(packed.len() + 4 <= text.len());
        let mut back = vec![0; text.len()];
        assert_eq!(lzf_rust::decompress(packed, &mut back), Ok(text.len()));
        assert_eq!(back, text);
        Some(packed.len())
    }

    #[test]
    fn strings_come_back_one_after_the_other() {
        let (mut compressor, mut random) = (Compressor::default(), fastrand::Rng::with_seed(5));
        let mut compressed = 0;
        for round in 0..4_000 {
            let (letters, bits) = (random.u8(1..=40), random.u32(1..16));
            let len = random.usize(0..1 << bits);
            let mut text: Vec<u8> = (0..len).map(|_| random.u8(0..letters)).collect();
            if round % 3 == 0 && len > 10 {
                // Repeats from about as far as a reference reaches.
                let part = text[..len / 3].to_vec();
                text.resize(text.len().max(random.usize(WINDOW - 9..WINDOW + 9)), 7);
                text.extend_from_slice(&part);
            }
            compressed += usize::from(round_trip(&mut compressor, &text).is_some());
        }
        assert!(compressed > 1_000, "{compressed} of 4,000");
    }

    #[test]
    fn nothing_of_earlier_strings_is_referred_to_when_the_count_begins_anew() {
        let mut compressor = Compressor::default();
        let text: Vec<u8> = (0..3_000u32).flat_map(|i| (i % 700).to_le_bytes()).collect();
        for passed in [u32::MAX - 20_000, u32::MAX - 12_001, u32::MAX - 12_000, u32::MAX - 5] {
            compressor.passed = passed;
            for _ in 0..3 {
                assert!(round_trip(&mut compressor, &text).is_some());
            }
        }
    }

    #[test]
    fn it_compresses_about_as_the_crate_does() {
        let words = ["order", "price", "volume", "account", "trader", "symbol", "time", "0.25"];
        let (mut compressor, mut random) = (Compressor::default(), fastrand::Rng::with_seed(9));
        let (mut ours, mut theirs, mut plain) = (0, 0, 0);
        for _ in 0..200 {
            let text: String = (0..random.usize(20..400))
                .map(|_| format!("\"{}\":{},", random.choice(words).unwrap(), random.u16(..)))
                .collect();
            let mut packed = vec![0; text.len()];
            theirs += lzf_rust::compress(text.as_bytes(), &mut packed).unwrap();
            ours += round_trip(&mut compressor, text.as_bytes()).unwrap();
            plain += text.len();
        }
        assert!(ours < theirs * 105 / 100, "{ours} bytes where {theirs} would do, of {plain}");
    }

    #[test]
    fn what_does_not_get_shorter_is_left_as_it_is() {
        let mut random = fastrand::Rng::with_seed(1);
        let noise: Vec<u8> = (0..10_000).map(|_| random.u8(..)).collect();
        for text in [&b""[..], b"a", b"aaaa", b"abcdefgh", &noise] {
            assert_eq!(Compressor::default().compress(text), None);
        }
    }
}

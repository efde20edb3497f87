//! [`Compressor`] and [`decompress`]: LZF, as Redis keeps long strings.
//!
//! ```text
//! 000lllll            l + 1 bytes as they are           111ooooo llllllll oooooooo   l + 9 bytes from o + 1 before
//! lllooooo oooooooo   l + 2 bytes from o + 1 before
//! ```
//! There is a crate for this, against which both are tested. But it clears a table of 256 KiB for every string that it compresses, which was half the time
//! of a save; and keys of 1 KiB load in three quarters of the time with what decompresses here (docs/benchmarks.md, "Loading"). Here a table serves
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
/// Bytes that are copied together.
const PIECE: usize = 16;
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

/// The text that was compressed, if it is that long. Memory for it is asked for once the length is known to be true.
pub(super) fn decompress(packed: &[u8], len: usize) -> Option<Vec<u8>> {
    if unpacked_bytes(packed) != Some(len as u64) {
        return None;
    }
    // What is written beyond the end of a copy is written over by the next, or cut off at last.
    let mut text = vec![0; len + RUN];
    let (mut at, mut rest) = (0, packed);
    while let Some((&control, after)) = rest.split_first() {
        let (class, low) = (usize::from(control >> 5), usize::from(control & 0x1f));
        if class == 0 {
            let (run, beyond) = after.split_at_checked(low + 1)?;
            match after.first_chunk::<RUN>() {
                Some(more) => text[at..at + RUN].copy_from_slice(more),
                None => text[at..at + run.len()].copy_from_slice(run),
            }
            (at, rest) = (at + run.len(), beyond);
            continue;
        }
        let (more, after) = if class == 7 { after.split_first()? } else { (&0, after) };
        let (offset, after) = after.split_first()?;
        let (back, len) = ((low << 8 | usize::from(*offset)) + 1, class + usize::from(*more) + 2);
        if back > at {
            return None;
        }
        repeat(&mut text, at, back, len);
        (at, rest) = (at + len, after);
    }
    text.truncate(len);
    Some(text)
}

/// How long a text will be: runs of 1 to 32 bytes as they are, and copies of 3 to 264 of those before. `None`: it ends within one.
fn unpacked_bytes(packed: &[u8]) -> Option<u64> {
    let (mut at, mut sum) = (0, 0);
    while let Some(control) = packed.get(at) {
        let (skips, yields) = match control >> 5 {
            0 => (usize::from(*control) + 2, u64::from(*control) + 1),
            7 => (3, u64::from(*packed.get(at + 1)?) + 9),
            length => (2, u64::from(length) + 2),
        };
        at += skips;
        sum += yields;
    }
    (at == packed.len()).then_some(sum)
}

/// Writes `len` bytes, each the one that lies `back` bytes before it, and up to a piece more.
fn repeat(text: &mut [u8], at: usize, back: usize, len: usize) {
    // The least multiple of `back` from which a whole piece can be copied; so many bytes are copied one by one, if one `back` is not enough.
    let stride = back * PIECE.div_ceil(back);
    let singly = if back < PIECE { stride.min(len) } else { 0 };
    for to in at..at + singly {
        text[to] = text[to - back];
    }
    for to in (at + singly..at + len).step_by(PIECE) {
        let (before, after) = text.split_at_mut(to);
        after[..PIECE].copy_from_slice(&before[to - stride..][..PIECE]);
    }
}

#[cfg(test)]
mod tests {
    use super::{Compressor, WINDOW, decompress, unpacked_bytes};

    /// Compresses and decompresses; bytes that it took.
    fn round_trip(compressor: &mut Compressor, text: &[u8]) -> Option<usize> {
        let packed = compressor.compress(text)?;
        assert!(packed.len() + 4 <= text.len());
        let mut back = vec![0; text.len()];
        assert_eq!(lzf_rust::decompress(packed, &mut back), Ok(text.len()));
        assert_eq!(back, text);
        assert_eq!(decompress(packed, text.len()).as_deref(), Some(text));
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
    fn what_the_crate_compressed_comes_back_and_its_length_is_known_before() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..2_000 {
            let letters = random.u8(1..20);
            let text: Vec<u8> =
                (0..random.usize(30..3_000)).map(|_| random.u8(0..letters)).collect();
            let mut packed = vec![0; 2 * text.len()];
            let Ok(count) = lzf_rust::compress(&text, &mut packed) else { continue };
            assert_eq!(unpacked_bytes(&packed[..count]), Some(text.len() as u64));
            assert_eq!(decompress(&packed[..count], text.len()), Some(text));
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_yield_the_promised_length() {
        let mut random = fastrand::Rng::with_seed(4);
        let (mut refused, mut taken) = (0, 0);
        for _ in 0..20_000 {
            let packed: Vec<u8> = (0..random.usize(0..60)).map(|_| random.u8(..)).collect();
            let len = unpacked_bytes(&packed).unwrap_or(random.u64(..9_000)) as usize;
            match decompress(&packed, len) {
                Some(text) => {
                    assert_eq!(text.len(), len);
                    taken += 1;
                }
                None => refused += 1,
            }
            assert_eq!(decompress(&packed, len + 1), None);
        }
        assert!(refused > 1_000 && taken > 100, "{refused} refused, {taken} taken");
        // A run, and a copy, that the end cuts off; a copy from before the first byte.
        for (packed, len) in [(&[31, b'a'][..], 32), (&[0xe0], 9), (&[0, b'a', 0x20, 1], 4)] {
            assert_eq!(decompress(packed, len), None);
        }
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

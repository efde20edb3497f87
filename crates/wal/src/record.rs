//! [`Record`]: one change of one key, as it stands in files.
//!
//! ```text
//!  record   flags u8 · space u8 · kind u8 · key length · value length · [expiry u64] · key · value        lengths: 7 bits a byte, least first
//!  flags    1 removed (no value) · 2 the value is an object, as its codec wrote it · 4 there is an expiry
//!  group    timestamp u64 · count u32 · record …          what was committed at one timestamp; never cut apart
//! ```
//! All numbers are little-endian.

/// One change of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) space: u8,
    pub(crate) kind: u8,
    pub(crate) key: &'a [u8],
    pub(crate) expire_at_ms: Option<u64>,
    pub(crate) value: RecordValue<'a>,
}

/// What a record makes of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordValue<'a> {
    Removed,
    Bytes(&'a [u8]),
    /// As its codec wrote it.
    Object(&'a [u8]),
}

const REMOVED: u8 = 1;
const OBJECT: u8 = 2;
const EXPIRES: u8 = 4;

impl<'a> Record<'a> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let (flags, value) = match self.value {
            RecordValue::Removed => (REMOVED, &[][..]),
            RecordValue::Bytes(bytes) => (0, bytes),
            RecordValue::Object(bytes) => (OBJECT, bytes),
        };
        let expires = if self.expire_at_ms.is_some() { EXPIRES } else { 0 };
        out.extend_from_slice(&[flags | expires, self.space, self.kind]);
        write_length(out, self.key.len());
        write_length(out, value.len());
        if let Some(at) = self.expire_at_ms {
            out.extend_from_slice(&at.to_le_bytes());
        }
        out.extend_from_slice(self.key);
        out.extend_from_slice(value);
    }

    /// The record at the beginning of `bytes`, which goes on behind it; `None` if there is none.
    pub(crate) fn read(bytes: &mut &'a [u8]) -> Option<Record<'a>> {
        let [flags, space, kind] = *take::<3>(bytes)?;
        let key_length = read_length(bytes)?;
        let value_length = read_length(bytes)?;
        let expire_at_ms = match flags & EXPIRES {
            0 => None,
            _ => Some(read_u64(bytes)?),
        };
        let key = take_slice(bytes, key_length)?;
        let value = take_slice(bytes, value_length)?;
        let value = match flags & !EXPIRES {
            0 => RecordValue::Bytes(value),
            OBJECT => RecordValue::Object(value),
            REMOVED if value.is_empty() => RecordValue::Removed,
            _ => return None,
        };
        Some(Record { space, kind, key, expire_at_ms, value })
    }
}

/// A group's head at the beginning of `bytes`: its timestamp, and how many records follow.
pub(crate) fn read_group(bytes: &mut &[u8]) -> Option<(u64, u32)> {
    let timestamp = read_u64(bytes)?;
    Some((timestamp, u32::from_le_bytes(*take(bytes)?)))
}

pub(crate) fn read_u64(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).map(|bytes| u64::from_le_bytes(*bytes))
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

fn take_slice<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn write_length(out: &mut Vec<u8>, length: usize) {
    let mut rest = length as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn read_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0u64;
    for shift in (0..63).step_by(7) {
        let [byte] = *take::<1>(bytes)?;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(length).ok();
        }
    }
    None
}

#[cfg(all(test, not(stillpoint_loom), not(stillpoint_shuttle)))]
mod tests {
    use super::*;

    fn samples() -> Vec<Record<'static>> {
        let record =
            |value, expire_at_ms| Record { space: 3, kind: 9, key: b"key", expire_at_ms, value };
        vec![
            record(RecordValue::Removed, None),
            record(RecordValue::Bytes(b""), None),
            record(RecordValue::Bytes(&[7; 300]), Some(u64::MAX)),
            record(RecordValue::Object(&[8; 20_000]), Some(0)),
        ]
    }

    #[test]
    fn records_come_back_as_they_went() {
        let mut bytes = Vec::new();
        samples().iter().for_each(|record| record.write(&mut bytes));
        let mut rest = &bytes[..];
        for record in samples() {
            assert_eq!(Record::read(&mut rest), Some(record));
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn a_record_that_is_cut_short_is_none() {
        for record in samples() {
            let mut bytes = Vec::new();
            record.write(&mut bytes);
            for length in 0..bytes.len() {
                assert_eq!(Record::read(&mut &bytes[..length]), None);
            }
        }
    }

    #[test]
    fn lengths_take_as_many_bytes_as_they_need() {
        for (length, bytes) in
            [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (u32::MAX as usize, 5)]
        {
            let mut out = Vec::new();
            write_length(&mut out, length);
            assert_eq!((out.len(), read_length(&mut &out[..])), (bytes, Some(length)));
        }
        assert_eq!(read_length(&mut &[0xff; 12][..]), None);
    }
}

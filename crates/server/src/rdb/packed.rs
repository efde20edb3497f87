//! What other servers pack small collections into: listpacks, ziplists, zipmaps and intsets. They are only read.
//!
//! Each reader gives the elements as strings, or says that the bytes are none of it: no bytes make it read outside, loop or take memory beyond
//! a few times their length.

/// Elements, or `None` for bytes that are no such collection.
pub(super) type Elements = Option<Vec<Vec<u8>>>;

fn decimal(number: i64) -> Vec<u8> {
    itoa::Buffer::new().format(number).as_bytes().to_vec()
}

/// Takes bytes from the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// A little-endian number of three bytes with its sign.
    fn i24(&mut self) -> Option<i32> {
        let [a, b, c] = self.array()?;
        Some(i32::from_le_bytes([0, a, b, c]) >> 8)
    }
}

/// A listpack: total bytes u32, count u16, elements, 0xFF; after each element its length, backwards.
pub(super) fn listpack(bytes: &[u8]) -> Elements {
    let mut cursor = Cursor(bytes);
    let total = u32::from_le_bytes(cursor.array()?) as usize;
    let count = u16::from_le_bytes(cursor.array()?);
    if total != bytes.len() {
        return None;
    }
    let mut elements = Vec::new();
    loop {
        if cursor.0.first() == Some(&0xff) {
            let whole = cursor.0.len() == 1;
            let counted = count == u16::MAX || usize::from(count) == elements.len();
            return (whole && counted).then_some(elements);
        }
        let before = cursor.0.len();
        elements.push(listpack_element(&mut cursor)?);
        let length = before - cursor.0.len();
        cursor.take(match length {
            0..0x80 => 1,
            0x80..0x4000 => 2,
            0x4000..0x20_0000 => 3,
            0x20_0000..0x1000_0000 => 4,
            _ => 5,
        })?;
    }
}

fn listpack_element(cursor: &mut Cursor<'_>) -> Option<Vec<u8>> {
    let first = cursor.byte()?;
    let text = |cursor: &mut Cursor<'_>, length: usize| Some(cursor.take(length)?.to_vec());
    match first {
        0x00..=0x7f => Some(decimal(first.into())),
        0x80..=0xbf => text(cursor, usize::from(first & 0x3f)),
        0xc0..=0xdf => {
            let raw = i32::from(first & 0x1f) << 8 | i32::from(cursor.byte()?);
            Some(decimal((raw << 19 >> 19).into()))
        }
        0xe0..=0xef => {
            let length = usize::from(first & 0x0f) << 8 | usize::from(cursor.byte()?);
            text(cursor, length)
        }
        0xf0 => {
            let length = u32::from_le_bytes(cursor.array()?) as usize;
            text(cursor, length)
        }
        0xf1 => Some(decimal(i16::from_le_bytes(cursor.array()?).into())),
        0xf2 => Some(decimal(cursor.i24()?.into())),
        0xf3 => Some(decimal(i32::from_le_bytes(cursor.array()?).into())),
        0xf4 => Some(decimal(i64::from_le_bytes(cursor.array()?))),
        _ => None,
    }
}

/// A ziplist: total bytes u32, offset of the last u32, count u16, elements, 0xFF; before each element the length of the one before.
pub(super) fn ziplist(bytes: &[u8]) -> Elements {
    let mut cursor = Cursor(bytes);
    let total = u32::from_le_bytes(cursor.array()?) as usize;
    let _tail = cursor.take(4)?;
    let count = u16::from_le_bytes(cursor.array()?);
    if total != bytes.len() {
        return None;
    }
    let mut elements = Vec::new();
    loop {
        match cursor.byte()? {
            0xff => {
                let counted = count == u16::MAX || usize::from(count) == elements.len();
                return (cursor.0.is_empty() && counted).then_some(elements);
            }
            0xfe => cursor.take(4).map(drop)?,
            _ => {}
        }
        elements.push(ziplist_element(&mut cursor)?);
    }
}

fn ziplist_element(cursor: &mut Cursor<'_>) -> Option<Vec<u8>> {
    let first = cursor.byte()?;
    let length = match first {
        0x00..=0x3f => usize::from(first),
        0x40..=0x7f => usize::from(first & 0x3f) << 8 | usize::from(cursor.byte()?),
        0x80 => u32::from_be_bytes(cursor.array()?) as usize,
        0xc0 => return Some(decimal(i16::from_le_bytes(cursor.array()?).into())),
        0xd0 => return Some(decimal(i32::from_le_bytes(cursor.array()?).into())),
        0xe0 => return Some(decimal(i64::from_le_bytes(cursor.array()?))),
        0xf0 => return Some(decimal(cursor.i24()?.into())),
        0xfe => return Some(decimal(i8::from_le_bytes(cursor.array()?).into())),
        0xf1..=0xfd => return Some(decimal(i64::from(first & 0x0f) - 1)),
        _ => return None,
    };
    Some(cursor.take(length)?.to_vec())
}

/// A zipmap: count, then length, field, length, unused bytes, value, and so on, 0xFF.
pub(super) fn zipmap(bytes: &[u8]) -> Elements {
    let mut cursor = Cursor(bytes);
    let _count = cursor.byte()?;
    let mut elements = Vec::new();
    loop {
        let Some(length) = zipmap_length(&mut cursor)? else {
            let whole = cursor.0.is_empty() && elements.len().is_multiple_of(2);
            return whole.then_some(elements);
        };
        elements.push(cursor.take(length)?.to_vec());
        let length = zipmap_length(&mut cursor)??;
        let unused = cursor.byte()?;
        elements.push(cursor.take(length)?.to_vec());
        cursor.take(unused.into())?;
    }
}

/// A length, or `Some(None)` at the end.
fn zipmap_length(cursor: &mut Cursor<'_>) -> Option<Option<usize>> {
    Some(match cursor.byte()? {
        0xff => None,
        0xfe => Some(u32::from_le_bytes(cursor.array()?) as usize),
        length => Some(length.into()),
    })
}

/// An intset: bytes of a number u32, count u32, numbers.
pub(super) fn intset(bytes: &[u8]) -> Elements {
    let mut cursor = Cursor(bytes);
    let width = u32::from_le_bytes(cursor.array()?) as usize;
    let count = u32::from_le_bytes(cursor.array()?) as usize;
    if !matches!(width, 2 | 4 | 8) || width.checked_mul(count)? != cursor.0.len() {
        return None;
    }
    let number = |raw: &[u8]| {
        let negative = raw.last().is_some_and(|top| top & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..raw.len()].copy_from_slice(raw);
        decimal(i64::from_le_bytes(wide))
    };
    Some(cursor.0.chunks_exact(width).map(number).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_bytes_are_nothing_is_read_outside() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..200_000 {
            let mut bytes: Vec<u8> = (0..random.usize(0..40)).map(|_| random.u8(..)).collect();
            if bytes.len() > 6 && random.bool() {
                let total = bytes.len() as u32;
                bytes[..4].copy_from_slice(&total.to_le_bytes());
            }
            for read in [listpack, ziplist, zipmap, intset] {
                let elements = read(&bytes).unwrap_or_default();
                assert!(elements.len() <= bytes.len());
            }
        }
    }

    #[test]
    fn every_form_of_a_listpack_element_is_read() {
        let body: &[&[u8]] = &[
            &[0x7f, 1],
            &[0x82, b'h', b'i', 3],
            &[0xdf, 0xff, 2],
            &[0xf1, 0x00, 0x80, 3],
            &[0xf2, 0xff, 0xff, 0xff, 4],
            &[0xf3, 0, 0, 0, 0x80, 5],
            &[0xf4, 0, 0, 0, 0, 0, 0, 0, 0x80, 9],
        ];
        let body = body.concat();
        let mut bytes = (body.len() as u32 + 7).to_le_bytes().to_vec();
        bytes.extend([7, 0]);
        bytes.extend(body);
        bytes.push(0xff);
        let wanted = ["127", "hi", "-1", "-32768", "-1", "-2147483648", "-9223372036854775808"];
        let found = listpack(&bytes).unwrap();
        assert_eq!(found, wanted.map(|text| text.as_bytes().to_vec()));
    }
}

//! Operations that a commit applies to what the key is by then: `add`, `max`, `append`. They read nothing, so they validate nothing.
//!
//! # Invariants
//! 1. Each is a function of the base, and the base is the committed version right under the one that is installed; nothing comes between the two
//!    before the verdict (see `commit`). So the result is that of running the operation at the commit timestamp.
//! 2. A merged value keeps the kind and the expiry of its base; an absent or expired key begins as 0 or as nothing, with the operation's kind
//!    and without expiry.
//!
//! A number is decimal text, as Redis keeps it: an optional `-` and digits without leading zeros, within `i64`.

use crate::draft::{Buffered, OwnedValue};
use crate::entry::Entry;
use crate::error::MergeError;

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    Add(i64),
    Max(i64),
    Append(Vec<u8>),
}

/// The operations of one key, in their order; all of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Merges {
    kind: u8,
    list: Vec<Merge>,
    mixed: bool,
}

impl Merges {
    pub(crate) fn new(kind: u8, first: Merge) -> Self {
        Merges { kind, list: vec![first], mixed: false }
    }

    pub(crate) fn push(&mut self, kind: u8, next: Merge) {
        self.mixed |= kind != self.kind;
        match (self.list.last_mut(), next) {
            (Some(Merge::Append(bytes)), Merge::Append(more)) => bytes.extend_from_slice(&more),
            (Some(Merge::Max(than)), Merge::Max(other)) => *than = other.max(*than),
            (_, next) => self.list.push(next),
        }
    }

    /// The value that comes of `base`.
    pub(crate) fn apply<O>(&self, base: Option<Entry<'_, O>>) -> Result<Buffered<O>, MergeError> {
        if self.mixed || base.is_some_and(|base| base.kind() != self.kind) {
            return Err(MergeError::OtherKind);
        }
        let mut bytes = match base {
            None => None,
            Some(base) => Some(base.bytes().ok_or(MergeError::OtherKind)?.to_vec()),
        };
        for merge in &self.list {
            bytes = Some(match merge {
                Merge::Add(by) => {
                    let sum = number(bytes.as_deref())?.unwrap_or(0).checked_add(*by);
                    sum.ok_or(MergeError::Overflow)?.to_string().into_bytes()
                }
                Merge::Max(than) => match number(bytes.as_deref())? {
                    Some(number) => number.max(*than),
                    None => *than,
                }
                .to_string()
                .into_bytes(),
                Merge::Append(more) => {
                    let mut bytes = bytes.unwrap_or_default();
                    bytes.extend_from_slice(more);
                    bytes
                }
            });
        }
        Ok(Buffered {
            value: OwnedValue::Bytes(bytes.unwrap_or_default()),
            kind: self.kind,
            expire_at_ms: base.and_then(|base| base.expire_at_ms()),
        })
    }
}

fn number(bytes: Option<&[u8]>) -> Result<Option<i64>, MergeError> {
    let Some(bytes) = bytes else { return Ok(None) };
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let canonical = match digits {
        [b'0'] => bytes.len() == 1,
        [first, ..] => *first != b'0' && digits.iter().all(u8::is_ascii_digit),
        [] => false,
    };
    let text = str::from_utf8(bytes).ok().filter(|_| canonical);
    text.and_then(|text| text.parse().ok()).map(Some).ok_or(MergeError::NotANumber)
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_decimals_are_numbers() {
        for good in ["0", "7", "-7", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(number(Some(good.as_bytes())), Ok(Some(good.parse().unwrap())));
        }
        for bad in ["", "-", "-0", "00", "07", "+7", " 7", "7 ", "7.0", "9223372036854775808", "x"]
        {
            assert_eq!(number(Some(bad.as_bytes())), Err(MergeError::NotANumber), "{bad:?}");
        }
    }
}

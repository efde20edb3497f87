//! A set in any of its forms: [`Set`] to read, [`SetEdit`] to change or to keep beyond a read.
//!
//! A set begins as integers in order; a member that is none makes it packed or, beyond the limits, large. It never goes back.

use super::int_set::{IntSet, IntSetEdit};
use super::numbered::{Bytes, Numbered};
use super::packed_set::{PackedSet, PackedSetEdit};
use super::{Object, kind};
use crate::command::CommandError;
use crate::config::Settings;
use crate::data::Item;
use crate::resp::strict_integer;
use std::borrow::Cow;
use std::sync::Arc;
use stillpoint_store::{Draft, Value};

/// A large set: numbered members.
pub(crate) type LargeSet = Numbered<Bytes>;

/// How large a set may be and still be integers only, or packed.
#[derive(Clone, Copy)]
pub(crate) struct SetLimits {
    integers: usize,
    entries: usize,
    value_bytes: usize,
}

impl SetLimits {
    pub(crate) fn of(settings: &Settings) -> Self {
        SetLimits {
            integers: settings.set_max_intset_entries.min(1 << 30),
            entries: settings.set_max_listpack_entries,
            value_bytes: settings.set_max_listpack_value,
        }
    }
}

/// A set as a reader sees it.
#[derive(Clone, Copy)]
pub(crate) enum Set<'g> {
    Integers(IntSet<'g>),
    Packed(PackedSet<'g>),
    Large(&'g LargeSet),
}

impl<'g> Set<'g> {
    /// The set of an entry.
    pub(crate) fn of(entry: Item<'g>) -> Result<Self, CommandError> {
        match (entry.kind(), entry.value()) {
            (kind::INT_SET, Value::Bytes(bytes)) => Ok(Set::Integers(IntSet::new(bytes))),
            (kind::PACKED_SET, Value::Bytes(bytes)) => Ok(Set::Packed(PackedSet::new(bytes))),
            (kind::LARGE_SET, Value::Object(object)) => match &**object {
                Object::Set(set) => Ok(Set::Large(set)),
                _ => Err(CommandError::WrongType),
            },
            _ => Err(CommandError::WrongType),
        }
    }

    pub(crate) fn len(self) -> usize {
        match self {
            Set::Integers(set) => set.len(),
            Set::Packed(set) => set.len(),
            Set::Large(set) => set.len(),
        }
    }

    pub(crate) fn contains(self, member: &[u8]) -> bool {
        match self {
            Set::Integers(set) => {
                strict_integer(member).is_some_and(|integer| set.contains(integer))
            }
            Set::Packed(set) => set.contains(member),
            Set::Large(set) => set.contains(member),
        }
    }

    /// Visits all members.
    pub(crate) fn for_each(self, mut f: impl FnMut(&[u8])) {
        match self {
            Set::Integers(set) => {
                let mut digits = itoa::Buffer::new();
                set.iter().for_each(|integer| f(digits.format(integer).as_bytes()));
            }
            Set::Packed(set) => set.iter().for_each(f),
            Set::Large(set) => set.rows().for_each(|member| f(member)),
        }
    }

    /// All members.
    pub(crate) fn members(self) -> Vec<Cow<'g, [u8]>> {
        match self {
            Set::Integers(set) => set.iter().map(digits).collect(),
            Set::Packed(set) => set.iter().map(Cow::Borrowed).collect(),
            Set::Large(set) => set.rows().map(|member| Cow::Borrowed(&**member)).collect(),
        }
    }

    /// The member of that number.
    pub(crate) fn member(self, number: usize) -> Option<Cow<'g, [u8]>> {
        match self {
            Set::Integers(set) => set.get(number).map(digits),
            Set::Packed(set) => set.iter().nth(number).map(Cow::Borrowed),
            Set::Large(set) => set.row(number).map(|member| Cow::Borrowed(&**member)),
        }
    }
}

fn digits<'g>(integer: i64) -> Cow<'g, [u8]> {
    Cow::Owned(itoa::Buffer::new().format(integer).as_bytes().to_vec())
}

/// A set that is being changed: a copy of a small one, a sharing clone of a large one.
#[derive(Clone)]
pub(crate) enum SetEdit {
    Integers(IntSetEdit),
    Packed(PackedSetEdit),
    Large(LargeSet),
}

impl SetEdit {
    /// An empty one.
    pub(crate) fn new() -> Self {
        SetEdit::Integers(IntSetEdit::new())
    }

    /// Of what a key holds, or empty.
    pub(crate) fn of(entry: Option<Item<'_>>) -> Result<Self, CommandError> {
        Ok(match entry.map(Set::of).transpose()? {
            None => SetEdit::new(),
            Some(Set::Integers(set)) => SetEdit::Integers(IntSetEdit::of(set)),
            Some(Set::Packed(set)) => SetEdit::Packed(PackedSetEdit::of(set)),
            Some(Set::Large(set)) => SetEdit::Large(set.clone()),
        })
    }

    pub(crate) fn view(&self) -> Set<'_> {
        match self {
            SetEdit::Integers(set) => Set::Integers(set.view()),
            SetEdit::Packed(set) => Set::Packed(set.view()),
            SetEdit::Large(set) => Set::Large(set),
        }
    }

    /// Prepares for so many members to be added: as in Redis, so many that it would be large if all were new make it so before the first.
    pub(crate) fn expect(&mut self, first: &[u8], count: usize, limits: SetLimits) {
        let limit = match self {
            SetEdit::Integers(set) if set.view().len() == 0 && strict_integer(first).is_none() => {
                limits.entries
            }
            SetEdit::Integers(_) => limits.integers,
            SetEdit::Packed(_) => limits.entries,
            SetEdit::Large(_) => return,
        };
        if count > limit {
            self.unpack();
        }
    }

    /// Adds a member; whether it is new.
    pub(crate) fn add(&mut self, member: &[u8], limits: SetLimits) -> bool {
        if let SetEdit::Integers(set) = self {
            if let Some(integer) = strict_integer(member) {
                let is_new = set.add(integer);
                if is_new && set.view().len() > limits.integers {
                    self.unpack();
                }
                return is_new;
            }
            self.pack(member, limits);
        }
        if self.view().contains(member) {
            return false;
        }
        if let SetEdit::Packed(set) = self {
            if set.view().len() < limits.entries && member.len() <= limits.value_bytes {
                set.push(member);
                return true;
            }
            self.unpack();
        }
        if let SetEdit::Large(set) = self {
            set.push(Bytes::from(member));
        }
        true
    }

    /// Adds all of another set. If both are large, the bytes of what is new here are shared.
    pub(crate) fn add_all(&mut self, other: Set<'_>, limits: SetLimits) {
        match (self, other) {
            (SetEdit::Large(set), Set::Large(other)) => {
                other.rows().for_each(|member| set.push_new(member));
            }
            (set, other) => other.for_each(|member| {
                set.add(member, limits);
            }),
        }
    }

    /// Removes a member; whether it was there.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            SetEdit::Integers(set) => {
                strict_integer(member).is_some_and(|integer| set.remove(integer))
            }
            SetEdit::Packed(set) => set.remove(member),
            SetEdit::Large(set) => set.remove(member),
        }
    }

    /// Makes integers a packed set if that has room for one more member, this one; else a large one.
    fn pack(&mut self, member: &[u8], limits: SetLimits) {
        let SetEdit::Integers(set) = self else { return };
        let view = set.view();
        let digits = |number: usize| {
            view.get(number).map_or(0, |integer| itoa::Buffer::new().format(integer).len())
        };
        let longest = digits(0).max(digits(view.len().saturating_sub(1))).max(member.len());
        if view.len() >= limits.entries || longest > limits.value_bytes {
            return self.unpack();
        }
        let mut packed = PackedSetEdit::new();
        Set::Integers(view).for_each(|member| packed.push(member));
        *self = SetEdit::Packed(packed);
    }

    /// Makes it a large set.
    fn unpack(&mut self) {
        if !matches!(self, SetEdit::Large(_)) {
            let mut large = LargeSet::new();
            self.view().for_each(|member| large.push(Bytes::from(member)));
            *self = SetEdit::Large(large);
        }
    }

    /// Makes it the key's value; an empty one removes the key.
    pub(crate) fn put(&self, draft: &mut Draft<'_, Object>, expire_at_ms: Option<u64>) {
        if self.view().len() == 0 {
            return draft.remove();
        }
        match self {
            SetEdit::Integers(set) => draft.put(kind::INT_SET, &[set.bytes()], expire_at_ms),
            SetEdit::Packed(set) => draft.put(kind::PACKED_SET, &[set.bytes()], expire_at_ms),
            SetEdit::Large(set) => {
                let object = Arc::new(Object::Set(set.clone()));
                draft.put_object(kind::LARGE_SET, object, expire_at_ms);
            }
        }
    }
}

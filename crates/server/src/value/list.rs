//! A list in either form: [`List`] to read, [`ListEdit`] to change.
//!
//! ```text
//!  packed   count: u32 LE │ elements (see `element`)
//! ```

use super::element::{Elements, Run, packed_bytes, push_element};
use super::large_list::LargeList;
use super::rope::Leaves;
use super::{Object, kind};
use crate::command::CommandError;
use crate::config::Settings;
use crate::data::Item;
use std::sync::Arc;
use stillpoint_store::{Draft, Value};

const COUNT_BYTES: usize = 4;
/// What a listpack needs beside its entries: Redis counts it as size.
const LISTPACK_BYTES: usize = 7;
/// Largest listpack, where `list-max-listpack-size` limits the number of elements only: Redis's `SIZE_SAFETY_LIMIT`.
const SAFE_BYTES: usize = 8192;

/// How large a list may be and still be packed: `list-max-listpack-size`.
#[derive(Clone, Copy)]
pub(crate) struct ListLimits {
    elements: usize,
    bytes: usize,
}

impl ListLimits {
    pub(crate) fn of(settings: &Settings) -> Self {
        match settings.list_max_listpack_size {
            size @ 0.. => ListLimits { elements: size.max(1) as usize, bytes: SAFE_BYTES },
            size => {
                let bytes = 4096 << ((-size).clamp(1, 5) - 1);
                ListLimits { elements: usize::MAX, bytes }
            }
        }
    }

    fn half(self) -> Self {
        let bytes = if self.elements == usize::MAX { self.bytes / 2 } else { self.bytes };
        ListLimits { elements: self.elements / 2, bytes }
    }

    /// Whether so many elements in so many packed bytes stay packed: a short element takes one byte more in a listpack than here.
    fn allow(self, elements: usize, bytes: usize) -> bool {
        elements <= self.elements && LISTPACK_BYTES + elements + bytes <= self.bytes
    }
}

/// A list as a reader sees it.
#[derive(Clone, Copy)]
pub(crate) enum List<'g> {
    Packed(Run<'g>),
    Large(&'g LargeList),
}

fn packed(bytes: &[u8]) -> Run<'_> {
    let count = bytes.first_chunk().map_or(0, |count| u32::from_le_bytes(*count) as usize);
    Run { count, bytes: bytes.get(COUNT_BYTES..).unwrap_or_default() }
}

impl<'g> List<'g> {
    /// The list of an entry.
    pub(crate) fn of(entry: Item<'g>) -> Result<Self, CommandError> {
        match (entry.kind(), entry.value()) {
            (kind::PACKED_LIST, Value::Bytes(bytes)) => Ok(List::Packed(packed(bytes))),
            (kind::LARGE_LIST, Value::Object(object)) => match &**object {
                Object::List(list) => Ok(List::Large(list)),
                _ => Err(CommandError::WrongType),
            },
            _ => Err(CommandError::WrongType),
        }
    }

    pub(crate) fn len(self) -> usize {
        match self {
            List::Packed(run) => run.count,
            List::Large(large) => large.len(),
        }
    }

    /// Bytes of the elements, lengths included.
    pub(crate) fn bytes(self) -> usize {
        match self {
            List::Packed(run) => run.bytes.len(),
            List::Large(large) => large.bytes(),
        }
    }

    /// The element of that number.
    pub(crate) fn get(self, number: usize) -> Option<&'g [u8]> {
        self.iter_from(number).next()
    }

    /// The elements from the one of that number on.
    pub(crate) fn iter_from(self, number: usize) -> ListIter<'g> {
        let (leaves, elements) = match self {
            List::Packed(run) => {
                let run = Run { bytes: &run.bytes[run.offset(number)..], ..run };
                (None, run.elements())
            }
            List::Large(large) => (Some(large.leaves(number, false)), EMPTY.elements()),
        };
        ListIter { leaves, elements }
    }

    /// The elements from the last to the first, `skip` of them left out.
    pub(crate) fn iter_back(self, skip: usize) -> ListBackIter<'g> {
        match self {
            List::Packed(run) => {
                let mut elements: Vec<_> = run.elements().collect();
                elements.truncate(run.count.saturating_sub(skip));
                ListBackIter { leaves: None, elements }
            }
            List::Large(large) => {
                ListBackIter { leaves: Some(large.leaves(skip, true)), elements: Vec::new() }
            }
        }
    }
}

const EMPTY: Run<'static> = Run { count: 0, bytes: &[] };

/// A list's elements in order.
pub(crate) struct ListIter<'g> {
    leaves: Option<Leaves<'g>>,
    elements: Elements<'g>,
}

impl<'g> Iterator for ListIter<'g> {
    type Item = &'g [u8];

    fn next(&mut self) -> Option<&'g [u8]> {
        if let Some(element) = self.elements.next() {
            return Some(element);
        }
        let leaves = self.leaves.as_mut()?;
        let run = leaves.next()?;
        let skip = std::mem::take(&mut leaves.skip);
        self.elements = run.elements();
        self.elements.nth(skip)
    }
}

/// A list's elements in the opposite order.
pub(crate) struct ListBackIter<'g> {
    leaves: Option<Leaves<'g>>,
    elements: Vec<&'g [u8]>,
}

impl<'g> Iterator for ListBackIter<'g> {
    type Item = &'g [u8];

    fn next(&mut self) -> Option<&'g [u8]> {
        if let Some(element) = self.elements.pop() {
            return Some(element);
        }
        let leaves = self.leaves.as_mut()?;
        let run = leaves.next()?;
        let skip = std::mem::take(&mut leaves.skip);
        self.elements.extend(run.elements());
        self.elements.truncate(run.count - skip);
        self.elements.pop()
    }
}

/// A list that is being changed: a copy of a packed one, a sharing clone of a large one.
pub(crate) enum ListEdit {
    Packed { count: usize, bytes: Vec<u8> },
    Large(LargeList),
}

impl ListEdit {
    /// An empty one.
    pub(crate) fn new() -> Self {
        ListEdit::Packed { count: 0, bytes: Vec::new() }
    }

    /// Of what a key holds, or empty.
    pub(crate) fn of(entry: Option<Item<'_>>) -> Result<Self, CommandError> {
        Ok(match entry.map(List::of).transpose()? {
            None => ListEdit::new(),
            Some(List::Packed(run)) => {
                ListEdit::Packed { count: run.count, bytes: run.bytes.to_vec() }
            }
            Some(List::Large(large)) => ListEdit::Large(large.clone()),
        })
    }

    pub(crate) fn view(&self) -> List<'_> {
        match self {
            ListEdit::Packed { count, bytes } => List::Packed(Run { count: *count, bytes }),
            ListEdit::Large(large) => List::Large(large),
        }
    }

    /// Adds elements, one after the other, at the front or at the end.
    pub(crate) fn push<'a>(
        &mut self,
        elements: impl Iterator<Item = &'a [u8]> + Clone,
        front: bool,
        limits: ListLimits,
    ) {
        let (more, more_bytes) =
            elements.clone().fold((0, 0), |(n, sum), e| (n + 1, sum + packed_bytes(e)));
        self.unpack_unless(limits, more, more_bytes);
        match self {
            ListEdit::Packed { count, bytes } if front => {
                let mut together = Vec::with_capacity(more_bytes + bytes.len());
                let elements: Vec<&[u8]> = elements.collect();
                elements.iter().rev().for_each(|element| push_element(&mut together, element));
                together.extend_from_slice(bytes);
                *bytes = together;
                *count += more;
            }
            ListEdit::Packed { count, bytes } => {
                bytes.reserve(more_bytes);
                elements.for_each(|element| push_element(bytes, element));
                *count += more;
            }
            ListEdit::Large(large) => elements.for_each(|element| large.push(element, front)),
        }
    }

    /// Makes it large unless so much more still fits.
    fn unpack_unless(&mut self, limits: ListLimits, more: usize, more_bytes: usize) {
        if let ListEdit::Packed { count, bytes } = self
            && !limits.allow(*count + more, bytes.len() + more_bytes)
        {
            *self = ListEdit::Large(LargeList::of(Run { count: *count, bytes }));
        }
    }

    /// Removes the elements from `start` to before `end`.
    pub(crate) fn remove(&mut self, start: usize, end: usize) {
        match self {
            ListEdit::Packed { count, bytes } => {
                let run = Run { count: *count, bytes };
                let (from, to) = (run.offset(start), run.offset(end));
                *count -= end.min(run.count) - start.min(run.count);
                bytes.drain(from..to);
            }
            ListEdit::Large(large) => large.remove(start, end),
        }
    }

    /// Puts an element before the one of that number.
    pub(crate) fn insert(&mut self, number: usize, element: &[u8], limits: ListLimits) {
        self.unpack_unless(limits, 1, packed_bytes(element));
        match self {
            ListEdit::Packed { count, bytes } => {
                let at = Run { count: *count, bytes }.offset(number);
                let mut new = Vec::with_capacity(packed_bytes(element));
                push_element(&mut new, element);
                bytes.splice(at..at, new);
                *count += 1;
            }
            ListEdit::Large(large) => large.insert(number, element),
        }
    }

    /// Replaces the element of that number. As in Redis, a packed list has to have room for both.
    pub(crate) fn set(&mut self, number: usize, element: &[u8], limits: ListLimits) {
        self.unpack_unless(limits, 1, packed_bytes(element));
        self.remove(number, number + 1);
        self.insert(number, element, limits);
    }

    /// Keeps only elements of which `keep` says so.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&[u8]) -> bool) {
        let (mut count, mut kept) = (0, Vec::new());
        let mut large = LargeList::default();
        let is_large = matches!(self, ListEdit::Large(_));
        for element in self.view().iter_from(0) {
            if !keep(element) {
                continue;
            }
            count += 1;
            match is_large {
                true => large.push(element, false),
                false => push_element(&mut kept, element),
            }
        }
        *self = match is_large {
            true => ListEdit::Large(large),
            false => ListEdit::Packed { count, bytes: kept },
        };
    }

    /// Packs a large one that has become small: below half the limits, lest it change its form back and forth.
    pub(crate) fn shrink(&mut self, limits: ListLimits) {
        if let ListEdit::Large(large) = self
            && limits.half().allow(large.len(), large.bytes())
        {
            let mut bytes = Vec::with_capacity(large.bytes());
            large.leaves(0, false).for_each(|run| bytes.extend_from_slice(run.bytes));
            *self = ListEdit::Packed { count: large.len(), bytes };
        }
    }

    /// Makes it the key's value; an empty one removes the key.
    pub(crate) fn put(self, draft: &mut Draft<'_, Object>, expire_at_ms: Option<u64>) {
        if self.view().len() == 0 {
            return draft.remove();
        }
        match self {
            ListEdit::Packed { count, bytes } => {
                let count = (count as u32).to_le_bytes();
                draft.put(kind::PACKED_LIST, &[&count, &bytes], expire_at_ms);
            }
            ListEdit::Large(large) => {
                draft.put_object(kind::LARGE_LIST, Arc::new(Object::List(large)), expire_at_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const SMALL: ListLimits = ListLimits { elements: 16, bytes: SAFE_BYTES };

    fn text(n: u32) -> Vec<u8> {
        // Some are longer than a leaf.
        let times = if n.is_multiple_of(97) { 900 } else { 1 + n as usize % 9 };
        n.to_string().repeat(times).into_bytes()
    }

    #[test]
    fn a_list_is_as_a_deque_whatever_is_done_to_it() {
        let mut random = fastrand::Rng::with_seed(11);
        let (mut edit, mut model) = (ListEdit::of(None).unwrap(), VecDeque::new());
        for step in 0..20_000u32 {
            let element = text(step);
            match random.u32(..12) {
                0..=2 => {
                    edit.push([&element[..]].into_iter(), true, SMALL);
                    model.push_front(element);
                }
                3..=5 => {
                    edit.push([&element[..]].into_iter(), false, SMALL);
                    model.push_back(element);
                }
                6 => {
                    let at = random.usize(..=model.len());
                    edit.insert(at, &element, SMALL);
                    model.insert(at, element);
                }
                7 if !model.is_empty() => {
                    let at = random.usize(..model.len());
                    edit.set(at, &element, SMALL);
                    model[at] = element;
                }
                8 => {
                    edit.remove(0, 1);
                    model.pop_front();
                }
                9 if !model.is_empty() => {
                    edit.remove(model.len() - 1, model.len());
                    model.pop_back();
                }
                10 if !model.is_empty() && (step % 64 == 0 || model.len() > 600) => {
                    let start = random.usize(..model.len());
                    let end = start + random.usize(..model.len() - start + 1);
                    edit.remove(start, end);
                    model.drain(start..end);
                }
                _ if random.u8(..8) == 0 => edit.shrink(SMALL),
                _ => {}
            }
            assert_eq!(edit.view().len(), model.len());
            if !model.is_empty() {
                let at = random.usize(..model.len());
                assert_eq!(edit.view().get(at), Some(&model[at][..]));
                let skip = random.usize(..model.len());
                let back = edit.view().iter_back(skip).next();
                assert_eq!(back, Some(&model[model.len() - 1 - skip][..]));
            }
            if step % 500 == 0 {
                assert!(edit.view().iter_from(0).eq(model.iter().map(|e| &e[..])));
                assert!(edit.view().iter_back(0).eq(model.iter().rev().map(|e| &e[..])));
                let sum: usize = model.iter().map(|e| packed_bytes(e)).sum();
                assert_eq!(edit.view().bytes(), sum);
            }
        }
    }
}

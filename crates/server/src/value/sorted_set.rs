//! A sorted set in either form: [`SortedSet`] to read, [`SortedSetEdit`] to change or to keep beyond a read.
//!
//! ```text
//!  large:  tree    (score, member) in order          ranks and ranges
//!          scores  member → score, numbered rows     look-ups, random draws, ZSCAN
//! ```
//!
//! # Invariants
//! 1. Both parts of a large one hold the same pairs.

use super::numbered::{Bytes, Numbered};
use super::packed_sorted_set::{PackedSortedSet, PackedSortedSetEdit};
use super::ranked_tree::{RankedTree, Scored};
use super::{Object, kind};
use crate::command::CommandError;
use crate::config::Settings;
use crate::data::Item;
use std::ops::Range;
use std::sync::Arc;
use stillpoint_store::{Draft, Value};

/// How large a sorted set may be and still be packed.
#[derive(Clone, Copy)]
pub(crate) struct SortedSetLimits {
    entries: usize,
    value_bytes: usize,
}

impl SortedSetLimits {
    pub(crate) fn of(settings: &Settings) -> Self {
        SortedSetLimits {
            entries: settings.zset_max_listpack_entries,
            value_bytes: settings.zset_max_listpack_value,
        }
    }
}

/// What an entry costs in the tree: score and reference in a node that is three quarters full.
const TREE_BYTES: usize = 32;

/// A large sorted set; a clone costs a few reference counts, a change O(log n).
#[derive(Clone)]
pub(crate) struct LargeSortedSet {
    tree: RankedTree,
    scores: Numbered<(Bytes, f64)>,
}

impl LargeSortedSet {
    fn new() -> Self {
        LargeSortedSet { tree: RankedTree::new(), scores: Numbered::new() }
    }

    /// About as many bytes as the set takes.
    pub(crate) fn bytes(&self) -> usize {
        self.scores.bytes() + self.scores.len() * TREE_BYTES
    }

    /// Bytes of the members.
    pub(crate) fn content_bytes(&self) -> usize {
        self.scores.content_bytes()
    }

    fn set(&mut self, score: f64, member: &[u8]) {
        let place = self.scores.find(member).map(|(number, row)| (number, row.clone()));
        let member = match place {
            Some((number, (member, present))) => {
                self.tree.remove(present, &member);
                self.scores.replace(number, (member.clone(), score));
                member
            }
            None => {
                let member = Bytes::from(member);
                self.scores.push((member.clone(), score));
                member
            }
        };
        self.tree.insert(Scored { score, member });
    }

    fn remove(&mut self, member: &[u8]) -> bool {
        let Some(score) = self.scores.find(member).map(|(_, row)| row.1) else { return false };
        self.tree.remove(score, member);
        self.scores.remove(member)
    }
}

/// A sorted set as a reader sees it.
#[derive(Clone, Copy)]
pub(crate) enum SortedSet<'g> {
    Packed(PackedSortedSet<'g>),
    Large(&'g LargeSortedSet),
}

impl<'g> SortedSet<'g> {
    /// The sorted set of an entry.
    pub(crate) fn of(entry: Item<'g>) -> Result<Self, CommandError> {
        match (entry.kind(), entry.value()) {
            (kind::PACKED_SORTED_SET, Value::Bytes(bytes)) => {
                Ok(SortedSet::Packed(PackedSortedSet::new(bytes)))
            }
            (kind::LARGE_SORTED_SET, Value::Object(object)) => match &**object {
                Object::SortedSet(set) => Ok(SortedSet::Large(set)),
                _ => Err(CommandError::WrongType),
            },
            _ => Err(CommandError::WrongType),
        }
    }

    pub(crate) fn len(self) -> usize {
        match self {
            SortedSet::Packed(set) => set.len(),
            SortedSet::Large(set) => set.scores.len(),
        }
    }

    pub(crate) fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            SortedSet::Packed(set) => set.find(member).map(|row| row.score),
            SortedSet::Large(set) => set.scores.find(member).map(|(_, row)| row.1),
        }
    }

    /// The rank of a member, from 0, and its score.
    pub(crate) fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            SortedSet::Packed(set) => {
                let mut rows = set.rows().enumerate();
                rows.find(|(_, row)| row.member == member).map(|(rank, row)| (rank, row.score))
            }
            SortedSet::Large(set) => {
                let score = self.score(member)?;
                Some((set.tree.rank(score, member), score))
            }
        }
    }

    /// How many entries, from the first, satisfy `is_before`. No entry that does may follow one that does not.
    pub(crate) fn partition_point(self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        match self {
            SortedSet::Packed(set) => {
                set.rows().take_while(|row| is_before(row.score, row.member)).count()
            }
            SortedSet::Large(set) => {
                set.tree.partition_point(|entry| is_before(entry.score, &entry.member))
            }
        }
    }

    /// Visits the entries of these ranks, the last one first if so wanted.
    pub(crate) fn for_each_in(
        self,
        ranks: Range<usize>,
        reverse: bool,
        mut f: impl FnMut(&'g [u8], f64),
    ) {
        match self {
            SortedSet::Packed(set) => {
                let rows = set.rows().skip(ranks.start).take(ranks.len());
                if !reverse {
                    return rows.for_each(|row| f(row.member, row.score));
                }
                let rows: Vec<_> = rows.collect();
                rows.iter().rev().for_each(|row| f(row.member, row.score));
            }
            SortedSet::Large(set) => {
                set.tree.for_each_in(ranks, reverse, |entry| f(&entry.member, entry.score));
            }
        }
    }

    /// Visits all entries.
    pub(crate) fn for_each(self, f: impl FnMut(&'g [u8], f64)) {
        self.for_each_in(0..self.len(), false, f);
    }

    /// The entries of these ranks.
    pub(crate) fn entries(self, ranks: Range<usize>, reverse: bool) -> Vec<(&'g [u8], f64)> {
        let mut entries = Vec::with_capacity(ranks.len().min(self.len()));
        self.for_each_in(ranks, reverse, |member, score| entries.push((member, score)));
        entries
    }

    /// The entry of that number: a rank, or of a large one a row, which only ever falls.
    pub(crate) fn numbered(self, number: usize) -> Option<(&'g [u8], f64)> {
        match self {
            SortedSet::Packed(set) => set.rows().nth(number).map(|row| (row.member, row.score)),
            SortedSet::Large(set) => set.scores.row(number).map(|row| (&*row.0, row.1)),
        }
    }
}

/// A sorted set that is being changed: a copy of a packed one, a sharing clone of a large one.
#[derive(Clone)]
pub(crate) enum SortedSetEdit {
    Packed(PackedSortedSetEdit),
    Large(LargeSortedSet),
}

impl SortedSetEdit {
    /// An empty one.
    pub(crate) fn new() -> Self {
        SortedSetEdit::Packed(PackedSortedSetEdit::new())
    }

    /// Of what a key holds, or empty.
    pub(crate) fn of(entry: Option<Item<'_>>) -> Result<Self, CommandError> {
        Ok(match entry.map(SortedSet::of).transpose()? {
            None => SortedSetEdit::new(),
            Some(SortedSet::Packed(set)) => SortedSetEdit::Packed(PackedSortedSetEdit::of(set)),
            Some(SortedSet::Large(set)) => SortedSetEdit::Large(set.clone()),
        })
    }

    pub(crate) fn view(&self) -> SortedSet<'_> {
        match self {
            SortedSetEdit::Packed(set) => SortedSet::Packed(set.view()),
            SortedSetEdit::Large(set) => SortedSet::Large(set),
        }
    }

    /// Prepares for so many members, the longest of so many bytes: as in Redis, what would be large if all were new becomes so before the first.
    pub(crate) fn expect(&mut self, count: usize, value_bytes: usize, limits: SortedSetLimits) {
        if count > limits.entries || value_bytes > limits.value_bytes {
            self.unpack();
        }
    }

    /// Sets a member's score, which is a number.
    pub(crate) fn set(&mut self, score: f64, member: &[u8], limits: SortedSetLimits) {
        debug_assert!(!score.is_nan(), "a score is a number");
        if let SortedSetEdit::Packed(set) = self {
            let is_new = !set.remove(member);
            if is_new && (set.view().len() >= limits.entries || member.len() > limits.value_bytes) {
                self.unpack();
            }
        }
        match self {
            SortedSetEdit::Packed(set) => set.insert(score, member),
            SortedSetEdit::Large(set) => set.set(score, member),
        }
    }

    /// Removes a member; whether it was there.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            SortedSetEdit::Packed(set) => set.remove(member),
            SortedSetEdit::Large(set) => set.remove(member),
        }
    }

    /// Removes the entries of these ranks and returns them, the last one first if so wanted.
    pub(crate) fn take(&mut self, ranks: Range<usize>, reverse: bool) -> Vec<(Box<[u8]>, f64)> {
        let mut taken: Vec<(Box<[u8]>, f64)> = Vec::new();
        self.view().for_each_in(ranks, reverse, |member, score| taken.push((member.into(), score)));
        for (member, _) in &taken {
            self.remove(member);
        }
        taken
    }

    fn unpack(&mut self) {
        if let SortedSetEdit::Packed(set) = self {
            let mut large = LargeSortedSet::new();
            set.view().rows().for_each(|row| large.set(row.score, row.member));
            *self = SortedSetEdit::Large(large);
        }
    }

    /// Makes it the key's value; an empty one removes the key.
    pub(crate) fn put(&self, draft: &mut Draft<'_, Object>, expire_at_ms: Option<u64>) {
        if self.view().len() == 0 {
            return draft.remove();
        }
        match self {
            SortedSetEdit::Packed(set) => {
                draft.put(kind::PACKED_SORTED_SET, &[set.bytes()], expire_at_ms);
            }
            SortedSetEdit::Large(set) => {
                let object = Arc::new(Object::SortedSet(set.clone()));
                draft.put_object(kind::LARGE_SORTED_SET, object, expire_at_ms);
            }
        }
    }
}

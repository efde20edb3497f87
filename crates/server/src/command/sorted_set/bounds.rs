//! Ranges of sorted sets: by place, by score, by member; each a range of ranks in the end.

use crate::command::CommandError;
use crate::resp::strict_integer;
use crate::value::{SortedSet, parse_bound};
use std::ops::Range;

/// What a range is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Member,
}

/// A range, read from two arguments.
pub(super) enum Bounds<'a> {
    Ranks(i64, i64),
    Scores(ScoreBound, ScoreBound),
    Members(MemberBound<'a>, MemberBound<'a>),
}

/// One end of a range of scores.
pub(super) struct ScoreBound {
    score: f64,
    exclusive: bool,
}

/// One end of a range of members.
pub(super) enum MemberBound<'a> {
    Lowest,
    Highest,
    Member { member: &'a [u8], exclusive: bool },
}

impl<'a> Bounds<'a> {
    /// Reads the two ends.
    pub(super) fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, CommandError> {
        match by {
            By::Rank => {
                let rank = |text| strict_integer(text).ok_or(CommandError::NotAnInteger);
                Ok(Bounds::Ranks(rank(min)?, rank(max)?))
            }
            By::Score => match (ScoreBound::parse(min), ScoreBound::parse(max)) {
                (Some(min), Some(max)) => Ok(Bounds::Scores(min, max)),
                _ => Err(CommandError::other("min or max is not a float")),
            },
            By::Member => match (MemberBound::parse(min), MemberBound::parse(max)) {
                (Some(min), Some(max)) => Ok(Bounds::Members(min, max)),
                _ => Err(CommandError::other("min or max not valid string range item")),
            },
        }
    }

    /// The ranks of the entries within; of places counted from the highest score, `reverse`.
    pub(super) fn ranks(&self, set: SortedSet<'_>, reverse: bool) -> Range<usize> {
        let range = match self {
            Bounds::Ranks(first, last) => return places(*first, *last, set.len(), reverse),
            Bounds::Scores(min, max) => {
                let below = |score: f64, _: &[u8]| min.excludes_below(score);
                let within = |score: f64, _: &[u8]| max.includes_below(score);
                set.partition_point(below)..set.partition_point(within)
            }
            Bounds::Members(min, max) => {
                let below = |_: f64, member: &[u8]| min.excludes_below(member);
                let within = |_: f64, member: &[u8]| max.includes_below(member);
                set.partition_point(below)..set.partition_point(within)
            }
        };
        range.start..range.end.max(range.start)
    }
}

/// The ranks of the places from `first` to `last`, negative ones counted from the end.
fn places(first: i64, last: i64, len: usize, reverse: bool) -> Range<usize> {
    let len = len as i64;
    let first = if first < 0 { (len + first).max(0) } else { first };
    let last = if last < 0 { len + last } else { last.min(len - 1) };
    if first > last {
        return 0..0;
    }
    match reverse {
        false => first as usize..last as usize + 1,
        true => (len - 1 - last) as usize..(len - first) as usize,
    }
}

impl ScoreBound {
    fn parse(text: &[u8]) -> Option<Self> {
        let (number, exclusive) = match text.strip_prefix(b"(") {
            Some(number) => (number, true),
            None => (text, false),
        };
        parse_bound(number).ok().map(|score| ScoreBound { score, exclusive })
    }

    /// As a lower end: whether this score is beneath.
    fn excludes_below(&self, score: f64) -> bool {
        score < self.score || self.exclusive && score == self.score
    }

    /// As an upper end: whether this score is not above.
    fn includes_below(&self, score: f64) -> bool {
        score < self.score || !self.exclusive && score == self.score
    }
}

impl<'a> MemberBound<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        match text {
            b"-" => Some(MemberBound::Lowest),
            b"+" => Some(MemberBound::Highest),
            [b'(', member @ ..] => Some(MemberBound::Member { member, exclusive: true }),
            [b'[', member @ ..] => Some(MemberBound::Member { member, exclusive: false }),
            _ => None,
        }
    }

    /// As a lower end: whether this member is beneath.
    fn excludes_below(&self, other: &[u8]) -> bool {
        match self {
            MemberBound::Lowest => false,
            MemberBound::Highest => true,
            MemberBound::Member { member, exclusive } => {
                other < *member || *exclusive && other == *member
            }
        }
    }

    /// As an upper end: whether this member is not above.
    fn includes_below(&self, other: &[u8]) -> bool {
        match self {
            MemberBound::Lowest => false,
            MemberBound::Highest => true,
            MemberBound::Member { member, exclusive } => {
                other < *member || !*exclusive && other == *member
            }
        }
    }
}

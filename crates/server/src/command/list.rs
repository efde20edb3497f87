//! Lists.

mod blocking;
mod change;
mod move_between;
mod pop;
mod push;
mod read;

use super::row::{Command, Group, Keys, flag::*};
use super::{CommandError, Context};
use crate::value::ListLimits;

const CHANGE: u32 = WRITE | DENYOOM;
const WAIT: u32 = WRITE | BLOCKING;
const TWO: Keys = Keys::at(1, 2, 1);
/// Arguments 1 to the last but one: behind them stands the timeout.
const ALL_BUT_LAST: Keys = Keys::at(1, -2, 1);

const fn row(
    name: &'static str,
    arity: i32,
    flags: u32,
    keys: Keys,
    handler: super::row::Handler,
) -> Command {
    Command::new(name, arity, flags, keys, Group::List, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("lpush", -3, CHANGE | FAST | QUICK, Keys::ONE, push::lpush)
        .doc("1.0.0", "Puts elements at the front of a list."),
    row("rpush", -3, CHANGE | FAST | QUICK, Keys::ONE, push::rpush)
        .doc("1.0.0", "Puts elements at the end of a list."),
    row("lpushx", -3, CHANGE | FAST | QUICK, Keys::ONE, push::lpushx)
        .doc("2.2.0", "Puts elements at the front of a list that exists."),
    row("rpushx", -3, CHANGE | FAST | QUICK, Keys::ONE, push::rpushx)
        .doc("2.2.0", "Puts elements at the end of a list that exists."),
    row("lpop", -2, WRITE | FAST | QUICK, Keys::ONE, pop::lpop)
        .doc("1.0.0", "Takes elements off the front of a list."),
    row("rpop", -2, WRITE | FAST | QUICK, Keys::ONE, pop::rpop)
        .doc("1.0.0", "Takes elements off the end of a list."),
    row("lmpop", -4, WRITE | MOVABLEKEYS, Keys::NONE.counted(1), pop::lmpop)
        .doc("7.0.0", "Takes elements off the first list that has any."),
    row("llen", 2, READONLY | FAST | QUICK, Keys::ONE, read::llen)
        .doc("1.0.0", "Returns the length of a list."),
    row("lrange", 4, READONLY, Keys::ONE, read::lrange).doc("1.0.0", "Returns a range of a list."),
    row("lindex", 3, READONLY, Keys::ONE, read::lindex)
        .doc("1.0.0", "Returns the element at a position of a list."),
    row("lpos", -3, READONLY, Keys::ONE, read::lpos)
        .doc("6.0.6", "Returns where in a list an element stands."),
    row("lset", 4, CHANGE, Keys::ONE, change::lset)
        .doc("1.0.0", "Replaces the element at a position of a list."),
    row("linsert", 5, CHANGE, Keys::ONE, change::linsert)
        .doc("2.2.0", "Puts an element before or after another of a list."),
    row("lrem", 4, WRITE, Keys::ONE, change::lrem)
        .doc("1.0.0", "Removes elements that equal a value from a list."),
    row("ltrim", 4, WRITE, Keys::ONE, change::ltrim).doc("1.0.0", "Keeps only a range of a list."),
    row("lmove", 5, CHANGE, TWO, move_between::lmove)
        .doc("6.2.0", "Takes an element off one list and puts it into another."),
    row("rpoplpush", 3, CHANGE, TWO, move_between::rpoplpush)
        .doc("1.2.0", "Takes the last element off one list and puts it in front of another."),
    row("blpop", -3, WAIT, ALL_BUT_LAST, blocking::blpop)
        .doc("2.0.0", "Takes the first element of the first list that has any; waits for one."),
    row("brpop", -3, WAIT, ALL_BUT_LAST, blocking::brpop)
        .doc("2.0.0", "Takes the last element of the first list that has any; waits for one."),
    row("blmpop", -5, WRITE | BLOCKING | MOVABLEKEYS, Keys::NONE.counted(2), blocking::blmpop)
        .doc("7.0.0", "Takes elements off the first list that has any; waits for one."),
    row("blmove", 6, CHANGE | BLOCKING, TWO, blocking::blmove)
        .doc("6.2.0", "Moves an element from one list to another; waits for one."),
    row("brpoplpush", 4, CHANGE | BLOCKING, TWO, blocking::brpoplpush)
        .doc("2.2.0", "Moves the last element to the front of another list; waits for one."),
];

/// One of a list's two ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Front,
    Back,
}

impl End {
    fn of(word: &[u8]) -> Result<Self, CommandError> {
        match () {
            () if word.eq_ignore_ascii_case(b"left") => Ok(End::Front),
            () if word.eq_ignore_ascii_case(b"right") => Ok(End::Back),
            () => Err(CommandError::Syntax),
        }
    }

    fn is_front(self) -> bool {
        self == End::Front
    }
}

fn limits(ctx: &Context<'_>) -> ListLimits {
    ListLimits::of(&ctx.env.settings)
}

/// The element that an index means, counted from the end if negative; `None` outside the list.
fn position(index: i64, len: usize) -> Option<usize> {
    let number = if index < 0 { index.checked_add(len as i64)? } else { index };
    usize::try_from(number).ok().filter(|number| *number < len)
}

/// The elements between two indices, both included, as first and one past the last.
fn range(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let from_end =
        |index: i64| if index < 0 { index.saturating_add(len as i64).max(0) } else { index };
    let stop = if stop < 0 { stop.saturating_add(len as i64) } else { stop };
    let end = stop.saturating_add(1).clamp(0, len as i64) as usize;
    let start = from_end(start).min(end as i64) as usize;
    (start, end)
}

//! Sorted sets.

mod add;
mod algebra;
mod bounds;
mod pop;
mod range;
mod read;

pub(super) use add::{AddOptions, set_scores};

use super::row::{Command, Group, Handler, Keys, flag::*};
use crate::resp::{Encode, Protocol, Reply};

const READ: u32 = READONLY | FAST;
const CHANGE: u32 = WRITE | FAST;
const STORE: u32 = WRITE | DENYOOM;
const COUNTED: u32 = READONLY | MOVABLEKEYS;

const fn row(name: &'static str, arity: i32, flags: u32, keys: Keys, handler: Handler) -> Command {
    Command::new(name, arity, flags, keys, Group::SortedSet, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("zadd", -4, STORE | FAST, Keys::ONE, add::zadd).doc("1.2.0", "Sets scores of members."),
    row("zincrby", 4, STORE | FAST, Keys::ONE, add::zincrby)
        .doc("1.2.0", "Adds to the score of a member."),
    row("zrem", -3, CHANGE, Keys::ONE, add::zrem)
        .doc("1.2.0", "Removes members, and the sorted set with the last one."),
    row("zcard", 2, READ | QUICK, Keys::ONE, read::zcard)
        .doc("1.2.0", "Returns the number of members."),
    row("zscore", 3, READ | QUICK, Keys::ONE, read::zscore)
        .doc("1.2.0", "Returns the score of a member."),
    row("zmscore", -3, READ, Keys::ONE, read::zmscore)
        .doc("6.2.0", "Returns the scores of members."),
    row("zrank", -3, READ, Keys::ONE, read::zrank)
        .doc("2.0.0", "Returns the place of a member, counted from the lowest score."),
    row("zrevrank", -3, READ, Keys::ONE, read::zrevrank)
        .doc("2.0.0", "Returns the place of a member, counted from the highest score."),
    row("zrandmember", -2, READONLY, Keys::ONE, read::zrandmember)
        .doc("6.2.0", "Returns random members."),
    row("zscan", -3, READONLY, Keys::ONE, read::zscan)
        .doc("2.8.0", "Iterates over members and scores."),
    row("zcount", 4, READ, Keys::ONE, range::zcount)
        .doc("2.0.0", "Counts the members within a range of scores."),
    row("zlexcount", 4, READ, Keys::ONE, range::zlexcount)
        .doc("2.8.9", "Counts the members within a range of members."),
    row("zrange", -4, READONLY, Keys::ONE, range::zrange)
        .doc("1.2.0", "Returns members within a range of places, scores or members."),
    row("zrangestore", -5, STORE, Keys::at(1, 2, 1), range::zrangestore)
        .doc("6.2.0", "Stores a range of members in a key."),
    row("zrangebyscore", -4, READONLY, Keys::ONE, range::zrangebyscore)
        .doc("1.0.5", "Returns members within a range of scores."),
    row("zrangebylex", -4, READONLY, Keys::ONE, range::zrangebylex)
        .doc("2.8.9", "Returns members within a range of members."),
    row("zrevrange", -4, READONLY, Keys::ONE, range::zrevrange)
        .doc("1.2.0", "Returns members within a range of places, highest score first."),
    row("zrevrangebyscore", -4, READONLY, Keys::ONE, range::zrevrangebyscore)
        .doc("2.2.0", "Returns members within a range of scores, highest first."),
    row("zrevrangebylex", -4, READONLY, Keys::ONE, range::zrevrangebylex)
        .doc("2.8.9", "Returns members within a range of members, last one first."),
    row("zremrangebyrank", 4, WRITE, Keys::ONE, range::zremrangebyrank)
        .doc("2.0.0", "Removes members within a range of places."),
    row("zremrangebyscore", 4, WRITE, Keys::ONE, range::zremrangebyscore)
        .doc("1.2.0", "Removes members within a range of scores."),
    row("zremrangebylex", 4, WRITE, Keys::ONE, range::zremrangebylex)
        .doc("2.8.9", "Removes members within a range of members."),
    row("zpopmin", -2, CHANGE, Keys::ONE, pop::zpopmin)
        .doc("5.0.0", "Removes the members of lowest score and returns them."),
    row("zpopmax", -2, CHANGE, Keys::ONE, pop::zpopmax)
        .doc("5.0.0", "Removes the members of highest score and returns them."),
    row("zmpop", -4, WRITE | MOVABLEKEYS, Keys::NONE.counted(1), pop::zmpop)
        .doc("7.0.0", "Removes members from the first of several sorted sets that is there."),
    row("bzpopmin", -3, CHANGE | BLOCKING, Keys::at(1, -2, 1), pop::bzpopmin)
        .doc("5.0.0", "Removes the member of lowest score from the first sorted set that is there; waits for one."),
    row("bzpopmax", -3, CHANGE | BLOCKING, Keys::at(1, -2, 1), pop::bzpopmax)
        .doc("5.0.0", "Removes the member of highest score from the first sorted set that is there; waits for one."),
    row("bzmpop", -5, WRITE | BLOCKING | MOVABLEKEYS, Keys::NONE.counted(2), pop::bzmpop)
        .doc("7.0.0", "Removes members from the first sorted set that is there; waits for one."),
    row("zunion", -3, COUNTED, Keys::NONE.counted(1), algebra::zunion)
        .doc("6.2.0", "Returns the members of any of several sorted sets."),
    row("zinter", -3, COUNTED, Keys::NONE.counted(1), algebra::zinter)
        .doc("6.2.0", "Returns what several sorted sets have in common."),
    row("zdiff", -3, COUNTED, Keys::NONE.counted(1), algebra::zdiff)
        .doc("6.2.0", "Returns the members of a sorted set that are in none of the others."),
    row("zintercard", -3, COUNTED, Keys::NONE.counted(1), algebra::zintercard)
        .doc("7.0.0", "Counts what several sorted sets have in common."),
    row("zunionstore", -4, STORE | MOVABLEKEYS, Keys::ONE.counted(2), algebra::zunionstore)
        .doc("2.0.0", "Stores the members of any of several sorted sets."),
    row("zinterstore", -4, STORE | MOVABLEKEYS, Keys::ONE.counted(2), algebra::zinterstore)
        .doc("2.0.0", "Stores what several sorted sets have in common."),
    row("zdiffstore", -4, STORE | MOVABLEKEYS, Keys::ONE.counted(2), algebra::zdiffstore)
        .doc("6.2.0", "Stores the members of a sorted set that are in none of the others."),
];

/// Begins an answer of so many members: flat in RESP2, in RESP3 pairs where scores go with them.
fn begin_entries(out: &mut Reply, count: usize, with_scores: bool) {
    let flat = with_scores && out.protocol() == Protocol::Resp2;
    out.array(if flat { 2 * count } else { count });
}

/// One of the members.
pub(super) fn write_entry(out: &mut impl Encode, member: &[u8], score: f64, with_scores: bool) {
    if with_scores && out.protocol() == Protocol::Resp3 {
        out.array(2);
    }
    out.bulk(member);
    if with_scores {
        out.double(score);
    }
}

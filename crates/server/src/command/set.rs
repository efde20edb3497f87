//! Sets.

mod algebra;
mod change;
mod random;
mod read;

use super::row::{Command, Group, Handler, Keys, flag::*};

const READ: u32 = READONLY | FAST | QUICK;
const STORE: u32 = WRITE | DENYOOM;

const fn row(name: &'static str, arity: i32, flags: u32, keys: Keys, handler: Handler) -> Command {
    Command::new(name, arity, flags, keys, Group::Set, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("sadd", -3, STORE | FAST | QUICK, Keys::ONE, change::sadd)
        .doc("1.0.0", "Adds members to a set."),
    row("srem", -3, WRITE | FAST | QUICK, Keys::ONE, change::srem)
        .doc("1.0.0", "Removes members, and the set with the last one."),
    row("smove", 4, WRITE | FAST, Keys::at(1, 2, 1), change::smove)
        .doc("1.0.0", "Moves a member from one set to another."),
    row("spop", -2, WRITE | FAST, Keys::ONE, random::spop)
        .doc("1.0.0", "Removes random members and returns them."),
    row("srandmember", -2, READONLY, Keys::ONE, random::srandmember)
        .doc("1.0.0", "Returns random members."),
    row("scard", 2, READ, Keys::ONE, read::scard).doc("1.0.0", "Returns the number of members."),
    row("sismember", 3, READ, Keys::ONE, read::sismember)
        .doc("1.0.0", "Tells whether a set has a member."),
    row("smismember", -3, READ, Keys::ONE, read::smismember)
        .doc("6.2.0", "Tells of several members whether a set has them."),
    row("smembers", 2, READONLY, Keys::ONE, read::smembers).doc("1.0.0", "Returns all members."),
    row("sscan", -3, READONLY, Keys::ONE, read::sscan).doc("2.8.0", "Iterates over members."),
    row("sinter", -2, READONLY, Keys::ALL, algebra::sinter)
        .doc("1.0.0", "Returns what several sets have in common."),
    row("sintercard", -3, READONLY | MOVABLEKEYS, Keys::NONE.counted(1), algebra::sintercard)
        .doc("7.0.0", "Counts what several sets have in common."),
    row("sunion", -2, READONLY, Keys::ALL, algebra::sunion)
        .doc("1.0.0", "Returns the members of any of several sets."),
    row("sdiff", -2, READONLY, Keys::ALL, algebra::sdiff)
        .doc("1.0.0", "Returns the members of a set that are in none of the others."),
    row("sinterstore", -3, STORE, Keys::ALL, algebra::sinterstore)
        .doc("1.0.0", "Stores what several sets have in common."),
    row("sunionstore", -3, STORE, Keys::ALL, algebra::sunionstore)
        .doc("1.0.0", "Stores the members of any of several sets."),
    row("sdiffstore", -3, STORE, Keys::ALL, algebra::sdiffstore)
        .doc("1.0.0", "Stores the members of a set that are in none of the others."),
];

//! Hashes. Fields are versioned with their key: a reader sees one version of all of them.

mod change;
mod expire;
mod random;
mod read;
mod together;

use super::row::{Command, Group, Keys, flag::*};

const READ: u32 = READONLY | FAST | QUICK;
const CHANGE: u32 = WRITE | DENYOOM | FAST | QUICK;

const fn row(name: &'static str, arity: i32, flags: u32, handler: super::row::Handler) -> Command {
    Command::new(name, arity, flags, Keys::ONE, Group::Hash, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("hset", -4, CHANGE, change::hset).doc("2.0.0", "Sets fields of a hash."),
    row("hmset", -4, CHANGE, change::hmset).doc("2.0.0", "Sets fields of a hash."),
    row("hsetnx", 4, CHANGE, change::hsetnx)
        .doc("2.0.0", "Sets a field of a hash if it does not exist."),
    row("hdel", -3, WRITE | FAST | QUICK, change::hdel)
        .doc("2.0.0", "Removes fields, and the hash with the last one."),
    row("hincrby", 4, CHANGE, change::hincrby).doc("2.0.0", "Adds to the number in a field."),
    row("hincrbyfloat", 4, CHANGE, change::hincrbyfloat)
        .doc("2.6.0", "Adds to the floating-point number in a field."),
    row("hget", 3, READ, read::hget).doc("2.0.0", "Returns the value of a field."),
    row("hmget", -3, READ, read::hmget).doc("2.0.0", "Returns the values of fields."),
    row("hgetall", 2, READONLY, read::hgetall).doc("2.0.0", "Returns all fields and values."),
    row("hkeys", 2, READONLY, read::hkeys).doc("2.0.0", "Returns all fields."),
    row("hvals", 2, READONLY, read::hvals).doc("2.0.0", "Returns all values."),
    row("hexists", 3, READ, read::hexists).doc("2.0.0", "Tells whether a field exists."),
    row("hlen", 2, READ, read::hlen).doc("2.0.0", "Returns the number of fields."),
    row("hstrlen", 3, READ, read::hstrlen).doc("3.2.0", "Returns the length of a field's value."),
    row("hscan", -3, READONLY, read::hscan).doc("2.8.0", "Iterates over fields and values."),
    row("hrandfield", -2, READONLY, random::hrandfield).doc("6.2.0", "Returns some fields."),
    row("hexpire", -6, CHANGE, expire::hexpire)
        .doc("7.4.0", "Sets when fields expire, in seconds from now."),
    row("hpexpire", -6, CHANGE, expire::hpexpire)
        .doc("7.4.0", "Sets when fields expire, in milliseconds from now."),
    row("hexpireat", -6, CHANGE, expire::hexpireat)
        .doc("7.4.0", "Sets when fields expire, as a Unix time in seconds."),
    row("hpexpireat", -6, CHANGE, expire::hpexpireat)
        .doc("7.4.0", "Sets when fields expire, as a Unix time in milliseconds."),
    row("hpersist", -5, WRITE | FAST | QUICK, expire::hpersist)
        .doc("7.4.0", "Has fields not expire any more."),
    row("hsetex", -6, CHANGE, together::hsetex)
        .doc("8.0.0", "Sets fields and when they expire, if a condition holds."),
    row("hgetex", -5, WRITE | FAST | QUICK, together::hgetex)
        .doc("8.0.0", "Returns the values of fields after setting when they expire."),
    row("hgetdel", -5, WRITE | FAST | QUICK, together::hgetdel)
        .doc("8.0.0", "Returns the values of fields after removing them."),
    row("httl", -5, READ, expire::httl).doc("7.4.0", "Returns the seconds until fields expire."),
    row("hpttl", -5, READ, expire::hpttl)
        .doc("7.4.0", "Returns the milliseconds until fields expire."),
    row("hexpiretime", -5, READ, expire::hexpiretime)
        .doc("7.4.0", "Returns when fields expire, as a Unix time in seconds."),
    row("hpexpiretime", -5, READ, expire::hpexpiretime)
        .doc("7.4.0", "Returns when fields expire, as a Unix time in milliseconds."),
];

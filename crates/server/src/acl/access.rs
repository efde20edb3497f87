//! Which arguments of a request are keys, and what the command does to each.
//!
//! | flag | as Redis's key specifications have it |
//! |---|---|
//! | `RO RW OW RM` | reads, reads and writes, overwrites, removes |
//! | `access` | the value, or something of it, reaches the client: the key has to be readable |
//! | `insert update delete` | the key has to be writable |
//!
//! Invariant: what a handler takes for a key is one here, as far as the handler succeeds.

use super::selector::Need;
use crate::command::{Command, Group};
use crate::resp::{Args, strict_integer};

type Flags = &'static [&'static str];

const ACCESS: Flags = &["RO", "access"];
const EXISTENCE: Flags = &["RO"];
const OVERWRITE: Flags = &["OW", "update"];
const UPDATE: Flags = &["RW", "update"];
const READ_UPDATE: Flags = &["RW", "access", "update"];
const INSERT: Flags = &["RW", "insert"];
const DELETE: Flags = &["RW", "delete"];
const TAKE: Flags = &["RW", "access", "delete"];

/// What a command does to its key of that number.
pub(crate) fn key_flags(command: &Command, number: usize) -> Flags {
    match (command.name, number) {
        ("msetnx" | "setnx", _) | ("renamenx", 1) => &["OW", "insert"],
        ("copy" | "rename" | "sort" | "georadius" | "georadiusbymember", 1..)
        | (
            "bitop" | "geosearchstore" | "sdiffstore" | "sinterstore" | "sunionstore"
            | "zdiffstore" | "zinterstore" | "zunionstore" | "zrangestore",
            0,
        ) => OVERWRITE,
        ("pfmerge", 0) => &["RW", "access", "insert"],
        (
            "bitop" | "geosearchstore" | "sdiffstore" | "sinterstore" | "sunionstore"
            | "zdiffstore" | "zinterstore" | "zunionstore" | "zrangestore" | "pfmerge" | "copy"
            | "sort" | "georadius" | "georadiusbymember" | "xreadgroup",
            _,
        ) => ACCESS,
        ("lmove" | "blmove" | "rpoplpush" | "brpoplpush" | "smove" | "rename" | "renamenx", 0) => {
            TAKE
        }
        ("lmove" | "blmove" | "rpoplpush" | "brpoplpush" | "smove", _) => INSERT,
        _ => key_flags_of_all(command),
    }
}

/// What a command does to its keys, if that is the same for each of them.
fn key_flags_of_all(command: &Command) -> Flags {
    match command.name {
        "set" | "mset" | "msetex" | "psetex" | "setex" | "restore" => OVERWRITE,
        "del" | "unlink" | "delifeq" => &["RM", "delete"],
        "exists" | "hexists" | "hlen" | "hstrlen" | "llen" | "memory|usage" | "object|encoding"
        | "object|freq" | "object|idletime" | "object|refcount" | "scard" | "sismember"
        | "strlen" | "touch" | "type" | "watch" | "xlen" | "zcard" => EXISTENCE,
        "pfcount" | "pfdebug" => &["RW", "access"],
        "blmpop" | "blpop" | "brpop" | "bzmpop" | "bzpopmax" | "bzpopmin" | "getdel" | "lmpop"
        | "lpop" | "rpop" | "spop" | "zmpop" | "zpopmax" | "zpopmin" | "hgetdel" => TAKE,
        "append"
        | "hsetnx"
        | "linsert"
        | "lpush"
        | "lpushx"
        | "pfadd"
        | "rpush"
        | "rpushx"
        | "sadd"
        | "xgroup|create"
        | "xgroup|createconsumer" => INSERT,
        "hdel" | "lrem" | "ltrim" | "srem" | "xautoclaim" | "xdel" | "xgroup|delconsumer"
        | "xgroup|destroy" | "xtrim" | "zrem" | "zremrangebylex" | "zremrangebyrank"
        | "zremrangebyscore" => DELETE,
        "expire" | "expireat" | "pexpire" | "pexpireat" | "geoadd" | "hmset" | "hset"
        | "hsetex" | "lset" | "persist" | "setrange" | "xack" | "xadd" | "xclaim"
        | "xgroup|setid" | "xsetid" | "zadd" | "hexpire" | "hexpireat" | "hpexpire"
        | "hpexpireat" | "hpersist" => UPDATE,
        "migrate" => &["RW", "access", "delete", "incomplete"],
        "eval" | "evalsha" | "fcall" => READ_UPDATE,
        _ if command.has(crate::command::flag::WRITE) => READ_UPDATE,
        _ => ACCESS,
    }
}

/// What the request does to its key of that number: its options may say.
pub(crate) fn key_flags_of(command: &Command, args: Args<'_>, number: usize) -> Flags {
    match command.name {
        "set" if need(command, args, number).reads => READ_UPDATE,
        "bitfield" if only_gets(args) => ACCESS,
        _ => key_flags(command, number),
    }
}

/// Whether the command's keys are no keys but channels.
fn names_channels(command: &Command) -> bool {
    command.group == Group::PubSub
}

/// Where the keys are among the arguments. With a count that the arguments do not bear out there are none, as in Redis: the command refuses it.
pub(crate) fn key_positions(command: &Command, args: Args<'_>) -> Vec<usize> {
    if names_channels(command) {
        return Vec::new();
    }
    if matches!(command.name, "xread" | "xreadgroup") {
        return of_streams(args);
    }
    let keys = command.keys;
    let mut found = keys.fixed_positions(args.len());
    if keys.count_at > 0 {
        let at = keys.count_at as usize;
        let step = keys.step.max(1) as usize;
        let places = (at + 1..args.len()).step_by(step);
        let counted = args.get(at).and_then(strict_integer);
        let counted = counted.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        if counted == 0 || counted > places.len() {
            return Vec::new();
        }
        found.extend(places.take(counted));
    }
    match command.name {
        "sort" => found.extend(destinations(args, 2, &["STORE"])),
        "georadius" => found.extend(destinations(args, 6, &["STORE", "STOREDIST"])),
        "georadiusbymember" => found.extend(destinations(args, 5, &["STORE", "STOREDIST"])),
        "migrate" => found = migrated(args),
        _ => {}
    }
    found
}

/// The streams of XREAD and XREADGROUP: the first half of what follows STREAMS, read option by option as the handler does, since a
/// group may be called STREAMS.
fn of_streams(args: Args<'_>) -> Vec<usize> {
    let mut at = 1;
    while at < args.len() {
        if args.is(at, "STREAMS") {
            return (at + 1..at + 1 + (args.len() - at - 1) / 2).collect();
        }
        at += match () {
            () if args.is(at, "GROUP") => 3,
            () if args.is(at, "BLOCK") || args.is(at, "COUNT") => 2,
            () => 1,
        };
    }
    Vec::new()
}

/// What follows one of the words, from argument `at` on, option by option.
fn destinations(args: Args<'_>, mut at: usize, words: &[&str]) -> Vec<usize> {
    let mut found = Vec::new();
    while at + 1 < args.len() {
        at += match () {
            () if words.iter().any(|word| args.is(at, word)) => {
                found.push(at + 1);
                2
            }
            () if args.is(at, "LIMIT") => 3,
            () if args.is(at, "BY") || args.is(at, "GET") || args.is(at, "COUNT") => 2,
            () => 1,
        };
    }
    found
}

/// MIGRATE's one key, or, where that is empty, those behind KEYS. A user or a password may be called KEYS, too.
fn migrated(args: Args<'_>) -> Vec<usize> {
    if args.get(3).is_some_and(|key| !key.is_empty()) {
        return vec![3];
    }
    let mut at = 6;
    while at < args.len() {
        if args.is(at, "KEYS") {
            return (at + 1..args.len()).collect();
        }
        at += match () {
            () if args.is(at, "AUTH") => 2,
            () if args.is(at, "AUTH2") => 3,
            () => 1,
        };
    }
    vec![3]
}

/// What the request needs of its key of that number.
pub(super) fn need(command: &Command, args: Args<'_>, number: usize) -> Need {
    match command.name {
        "set" => {
            Need { reads: args.iter_from(3).any(|w| w.eq_ignore_ascii_case(b"get")), writes: true }
        }
        "bitfield" => Need { reads: true, writes: !only_gets(args) },
        _ => {
            let flags = key_flags(command, number);
            let has = |name: &str| flags.contains(&name);
            Need { reads: has("access"), writes: has("insert") || has("update") || has("delete") }
        }
    }
}

/// Whether every operation of a BITFIELD is a whole GET.
fn only_gets(args: Args<'_>) -> bool {
    let mut at = 2;
    while at < args.len() {
        at += match () {
            () if args.is(at, "GET") && at + 2 < args.len() => 3,
            () if args.is(at, "OVERFLOW") && at + 1 < args.len() => 2,
            () => return false,
        };
    }
    true
}

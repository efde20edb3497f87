//! Keys of any type.

mod copy;
mod dump;
mod expire;
mod iterate;
mod migrate;
mod object;

pub(crate) use copy::{Carried, put_to, remove};
pub(crate) use iterate::{ScanOptions, Scanned, cursor};

use super::row::{Command, Group, Keys, acl, flag::*};
use super::{Context, Outcome};
use crate::data::{Item, atomically, read_keys};
use crate::event::class;
use crate::value::{Object, steps_through, type_name};
use std::sync::Arc;
use stillpoint_store::Value;

/// Elements of a collection that is not freed on an event loop.
const LARGE: usize = 1024;

const READ: u32 = READONLY | FAST | QUICK;
const CHANGE: u32 = WRITE | FAST | QUICK;

const fn row(
    name: &'static str,
    arity: i32,
    flags: u32,
    keys: Keys,
    handler: super::row::Handler,
) -> Command {
    Command::new(name, arity, flags, keys, Group::Generic, handler).acl(acl::KEYSPACE)
}

pub(crate) static ROWS: &[Command] = &[
    row("del", -2, WRITE, Keys::ALL, del).doc("1.0.0", "Removes keys, all at once."),
    row("unlink", -2, WRITE | FAST, Keys::ALL, del).doc("4.0.0", "Removes keys, all at once."),
    row("exists", -2, READONLY | FAST, Keys::ALL, exists)
        .doc("1.0.0", "Counts which of the keys exist."),
    row("touch", -2, READONLY | FAST, Keys::ALL, touch)
        .doc("3.2.1", "Counts which of the keys exist, and notes that they are used."),
    row("type", 2, READ, Keys::ONE, type_of).doc("1.0.0", "Tells the type of a key's value."),
    row("expire", -3, CHANGE, Keys::ONE, expire::expire)
        .doc("1.0.0", "Sets a key's expiry in seconds from now."),
    row("pexpire", -3, CHANGE, Keys::ONE, expire::pexpire)
        .doc("2.6.0", "Sets a key's expiry in milliseconds from now."),
    row("expireat", -3, CHANGE, Keys::ONE, expire::expireat)
        .doc("1.2.0", "Sets a key's expiry to a Unix time in seconds."),
    row("pexpireat", -3, CHANGE, Keys::ONE, expire::pexpireat)
        .doc("2.6.0", "Sets a key's expiry to a Unix time in milliseconds."),
    row("ttl", 2, READ, Keys::ONE, expire::ttl)
        .doc("1.0.0", "Returns the seconds until a key expires."),
    row("pttl", 2, READ, Keys::ONE, expire::pttl)
        .doc("2.6.0", "Returns the milliseconds until a key expires."),
    row("expiretime", 2, READ, Keys::ONE, expire::expiretime)
        .doc("7.0.0", "Returns a key's expiry as a Unix time in seconds."),
    row("pexpiretime", 2, READ, Keys::ONE, expire::pexpiretime)
        .doc("7.0.0", "Returns a key's expiry as a Unix time in milliseconds."),
    row("persist", 2, CHANGE, Keys::ONE, expire::persist).doc("2.2.0", "Removes a key's expiry."),
    row("rename", 3, WRITE, Keys::at(1, 2, 1), copy::rename)
        .doc("1.0.0", "Renames a key, over another if that exists."),
    row("renamenx", 3, WRITE | FAST, Keys::at(1, 2, 1), copy::renamenx)
        .doc("1.0.0", "Renames a key if the new name is free."),
    row("copy", -3, WRITE | DENYOOM, Keys::at(1, 2, 1), copy::copy)
        .doc("6.2.0", "Copies a key's value to another key."),
    row("move", 3, WRITE | FAST, Keys::ONE, copy::move_to)
        .doc("1.0.0", "Moves a key to another database."),
    row("dump", 2, READONLY, Keys::ONE, dump::dump)
        .doc("2.6.0", "Returns a serialised form of a key's value."),
    row("restore", -4, WRITE | DENYOOM, Keys::ONE, dump::restore)
        .acl(acl::KEYSPACE | acl::DANGEROUS)
        .doc("2.6.0", "Creates a key from the serialised form of a value."),
    row(
        "migrate",
        -6,
        WRITE | MOVABLEKEYS,
        Keys::at(3, 3, 1).or_behind_last("KEYS"),
        migrate::migrate,
    )
    .acl(acl::KEYSPACE | acl::DANGEROUS)
    .doc("2.6.0", "Moves keys to another server, or copies them."),
    row("scan", -2, READONLY, Keys::NONE, iterate::scan)
        .doc("2.8.0", "Iterates over the keys of the database."),
    row("keys", 2, READONLY, Keys::NONE, iterate::keys)
        .acl(acl::KEYSPACE | acl::DANGEROUS)
        .doc("1.0.0", "Returns all keys that match a pattern, as of one moment."),
    row("randomkey", 1, READONLY, Keys::NONE, iterate::randomkey)
        .doc("1.0.0", "Returns some key of the database."),
    row("object", -2, READONLY, Keys::NONE, object::help)
        .doc("2.2.3", "Tells how a value is kept.")
        .with(object::ROWS),
];

fn del(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    if args.len() == 2 {
        let mut doomed = None;
        let (mut data, out) = ctx.parts();
        let there = data.update(args.at(1), |entry, draft| {
            doomed = entry.and_then(large);
            draft.remove();
            entry.is_some()
        })?;
        if there {
            data.notify(class::GENERIC, "del", args.at(1));
        }
        out.integer(i64::from(there));
        if let Some(doomed) = doomed {
            ctx.env.server.disposal.take(doomed);
        }
        return Ok(());
    }
    let mut doomed = Vec::new();
    atomically(ctx, |ctx| {
        let mut removed = 0;
        doomed.clear();
        let mut data = ctx.data();
        for key in args.iter_from(1) {
            let there = data.update(key, |entry, draft| {
                if entry.is_some() {
                    draft.remove();
                }
                doomed.extend(entry.and_then(large));
                entry.is_some()
            })?;
            if there {
                data.notify(class::GENERIC, "del", key);
            }
            removed += i64::from(there);
        }
        ctx.out.integer(removed);
        Ok(())
    })?;
    doomed.into_iter().for_each(|object| ctx.env.server.disposal.take(object));
    Ok(())
}

/// A collection that takes long to free.
fn large(entry: Item<'_>) -> Option<Arc<Object>> {
    match entry.value() {
        Value::Object(object) if steps_through(entry) > LARGE => Some(Arc::clone(object)),
        _ => None,
    }
}

fn exists(ctx: &mut Context<'_>) -> Outcome {
    count_there(ctx, true)
}

fn touch(ctx: &mut Context<'_>) -> Outcome {
    count_there(ctx, false)
}

fn count_there(ctx: &mut Context<'_>, untouched: bool) -> Outcome {
    if let (Some(key), true) = (ctx.args.get(1), ctx.args.len() == 2) {
        let (mut data, out) = ctx.parts();
        data.untouched |= untouched;
        let there = data.read(key, |entry| entry.is_some())?;
        out.integer(i64::from(there));
        return Ok(());
    }
    read_keys(ctx, |ctx| {
        let args = ctx.args;
        let (mut data, out) = ctx.parts();
        let mut count = 0;
        for key in args.iter_from(1) {
            count += i64::from(data.read(key, |entry| entry.is_some())?);
        }
        out.integer(count);
        Ok(())
    })
}

fn type_of(ctx: &mut Context<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let mut data = ctx.data();
    data.untouched = true;
    let name = data.read(key, |entry| entry.map_or("none", type_name))?;
    ctx.out.simple(name);
    Ok(())
}

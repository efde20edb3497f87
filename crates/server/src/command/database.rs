//! DBSIZE, FLUSHDB, FLUSHALL, SWAPDB: whole databases.

use super::keys::{Carried, put_to, remove};
use super::row::{Command, Group, Keys, acl, flag::*};
use super::{CommandError, Context, Outcome};
use crate::data::atomically;
use crate::resp::strict_integer;
use crate::saving;

pub(crate) static ROWS: &[Command] = &[
    Command::new("dbsize", 1, READONLY | FAST, Keys::NONE, Group::Server, dbsize)
        .doc("1.0.0", "Returns the number of keys in the database.")
        .acl(acl::KEYSPACE),
    Command::new("flushdb", -1, WRITE, Keys::NONE, Group::Server, flushdb)
        .doc("1.0.0", "Removes all keys from the current database.")
        .acl(acl::KEYSPACE | acl::DANGEROUS),
    Command::new("flushall", -1, WRITE, Keys::NONE, Group::Server, flushall)
        .doc("1.0.0", "Removes all keys from all databases.")
        .acl(acl::KEYSPACE | acl::DANGEROUS),
    Command::new("swapdb", 3, WRITE | FAST, Keys::NONE, Group::Server, swapdb)
        .doc("4.0.0", "Exchanges the keys of two databases.")
        .acl(acl::KEYSPACE | acl::DANGEROUS),
];

fn dbsize(ctx: &mut Context<'_>) -> Outcome {
    let keys = ctx.data().len()?;
    ctx.out.integer(keys as i64);
    Ok(())
}

/// SYNC or ASYNC make no difference: memory is given back in the background either way.
fn check_flush(ctx: &Context<'_>) -> Outcome {
    let mode_is_known = || ctx.args.is(1, "sync") || ctx.args.is(1, "async");
    match ctx.args.len() {
        1 => Ok(()),
        2 if mode_is_known() => Ok(()),
        _ => Err(CommandError::Syntax),
    }
}

fn flushdb(ctx: &mut Context<'_>) -> Outcome {
    check_flush(ctx)?;
    ctx.data().clear()?;
    ctx.out.ok();
    Ok(())
}

fn flushall(ctx: &mut Context<'_>) -> Outcome {
    check_flush(ctx)?;
    for db in 0..ctx.env.settings.databases {
        ctx.data().in_db(db).clear()?;
    }
    saving::follow_flush(&ctx.env.server, &ctx.env.settings);
    ctx.out.ok();
    Ok(())
}

/// A key with its value.
type Pair = (Box<[u8]>, Carried);

/// Every key of both databases is written under its new one, as one transaction: watchers, waiters and snapshots see what they see of any write.
///
/// # Cost
/// The keys of both.
fn swapdb(ctx: &mut Context<'_>) -> Outcome {
    let index = |at: usize, which: &str| match strict_integer(ctx.args.at(at)) {
        Some(db) if i32::try_from(db).is_ok() => Ok(db),
        _ => Err(CommandError::other(format!("invalid {which} DB index"))),
    };
    let (first, second) = (index(1, "first")?, index(2, "second")?);
    let known = |db: i64| u8::try_from(db).ok().filter(|db| *db < ctx.env.settings.databases);
    let (Some(first), Some(second)) = (known(first), known(second)) else {
        return Err(CommandError::other("DB index is out of range"));
    };
    if first == second {
        ctx.out.ok();
        return Ok(());
    }
    let sizes = [first, second].map(|db| ctx.env.server.store.len(db));
    ctx.patience().bear(sizes.iter().sum::<u64>() as usize)?;
    atomically(ctx, |ctx| {
        let (of_first, of_second) = (pairs(ctx, first)?, pairs(ctx, second)?);
        take_away(ctx, first, &of_first)?;
        take_away(ctx, second, &of_second)?;
        put(ctx, second, &of_first)?;
        put(ctx, first, &of_second)?;
        ctx.out.ok();
        Ok(())
    })
}

fn pairs(ctx: &mut Context<'_>, db: u8) -> Result<Vec<Pair>, CommandError> {
    let mut pairs = Vec::new();
    let mut data = ctx.data();
    data.in_db(db).for_each(|entry| pairs.push((entry.key().into(), Carried::of(entry))))?;
    Ok(pairs)
}

fn take_away(ctx: &mut Context<'_>, db: u8, pairs: &[Pair]) -> Outcome {
    let mut data = ctx.data();
    let mut data = data.in_db(db);
    pairs.iter().try_for_each(|(key, _)| remove(&mut data, key))
}

fn put(ctx: &mut Context<'_>, db: u8, pairs: &[Pair]) -> Outcome {
    let mut data = ctx.data();
    let mut data = data.in_db(db);
    pairs.iter().try_for_each(|(key, carried)| put_to(&mut data, key, carried, true).map(drop))
}

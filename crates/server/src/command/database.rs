//! DBSIZE, FLUSHDB, FLUSHALL: whole databases.

use super::row::{Command, Group, Keys, acl, flag::*};
use super::{CommandError, Context, Outcome};

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
    ctx.out.ok();
    Ok(())
}

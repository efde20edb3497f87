//! GETV, SETV: a string with the version that it has, and set if it still has that version. Not of Redis.

use super::row::{Command, Group, Handler, Keys, flag::*};
use super::{CommandError, Context, Outcome};
use crate::event::class;
use crate::value::{kind, put_string, string_of};

const fn row(name: &'static str, arity: i32, flags: u32, handler: Handler) -> Command {
    Command::new(name, arity, flags | FAST, Keys::ONE, Group::String, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("getv", 2, READONLY, getv).doc("7.2.0", "Returns the version and the value of a string."),
    row("setv", 4, WRITE | DENYOOM, setv)
        .doc("7.2.0", "Sets a string if its key still has a version: SETV key version value."),
];

/// Answers version and value; version 0 and null if there is no such key.
fn getv(ctx: &mut Context<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    data.read(key, |entry| {
        let text = entry.map(string_of).transpose()?;
        out.array(2);
        out.integer(entry.map_or(0, |entry| entry.stamp().get() as i64));
        match text {
            Some(text) => out.bulk(text),
            None => out.null(),
        }
        Ok(())
    })?
}

/// Answers 1 if the key had the version (0: it was not there) and has been set, else 0. The expiry is kept.
fn setv(ctx: &mut Context<'_>) -> Outcome {
    let (key, value) = (ctx.args.at(1), ctx.args.at(3));
    let wanted = u64::try_from(ctx.integer(2)?)
        .map_err(|_| CommandError::other("a version is not negative"))?;
    if ctx.session.data.is_in_transaction() {
        // What a transaction has written has no version yet; what it has read is checked when it commits.
        return Err(CommandError::other("SETV inside a transaction is not allowed"));
    }
    let (mut data, out) = ctx.parts();
    let done = data.update(key, |entry, draft| {
        entry.map(string_of).transpose()?;
        let same = entry.map_or(0, |entry| entry.stamp().get()) == wanted;
        if same {
            let expire_at_ms = entry.and_then(|entry| entry.expire_at_ms());
            put_string(draft, kind::STRING, &[value], expire_at_ms);
        }
        Ok::<_, CommandError>(same)
    })??;
    if done {
        data.notify(class::STRING, "set", key);
    }
    out.integer(i64::from(done));
    Ok(())
}

//! Strings.

mod counter;
mod lcs;
mod range;
mod set;
mod several;

use super::expiry::Unit;
use super::row::{Command, Group, Keys, flag::*};
use super::rows::write_string;
use super::{BYTES_A_STEP, CommandError, Context, Outcome};
use crate::data::read_keys;
use crate::event::class;
use crate::resp::Args;
use crate::value::string_of;

const READ: u32 = READONLY | FAST | QUICK;
const CHANGE: u32 = WRITE | DENYOOM | FAST | QUICK;

const fn row(
    name: &'static str,
    arity: i32,
    flags: u32,
    keys: Keys,
    handler: super::row::Handler,
) -> Command {
    Command::new(name, arity, flags, keys, Group::String, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("get", 2, READ, Keys::ONE, get).doc("1.0.0", "Returns the string value of a key."),
    row("set", -3, WRITE | DENYOOM | QUICK, Keys::ONE, set::set)
        .doc("1.0.0", "Sets the string value of a key, whatever it held."),
    row("setnx", 3, CHANGE, Keys::ONE, set::setnx)
        .doc("1.0.0", "Sets the string value of a key only when it does not exist."),
    row("setex", 4, WRITE | DENYOOM, Keys::ONE, set::setex)
        .doc("2.0.0", "Sets a value and its expiry in seconds."),
    row("psetex", 4, WRITE | DENYOOM, Keys::ONE, set::psetex)
        .doc("2.6.0", "Sets a value and its expiry in milliseconds."),
    row("getset", 3, CHANGE, Keys::ONE, set::getset)
        .doc("1.0.0", "Returns the previous value of a key after setting it."),
    row("delifeq", 3, WRITE | FAST | QUICK, Keys::ONE, delifeq)
        .doc("9.0.0", "Removes a key if it holds a value."),
    row("getdel", 2, WRITE | FAST | QUICK, Keys::ONE, getdel)
        .doc("6.2.0", "Returns the value of a key after removing it."),
    row("getex", -2, WRITE | FAST | QUICK, Keys::ONE, getex)
        .doc("6.2.0", "Returns the value of a key after setting its expiry."),
    row("mget", -2, READONLY | FAST, Keys::ALL, mget)
        .doc("1.0.0", "Returns the values of several keys, as of one moment."),
    row("mset", -3, WRITE | DENYOOM, Keys::at(1, -1, 2), several::mset)
        .doc("1.0.1", "Sets several keys at once."),
    row("msetnx", -3, WRITE | DENYOOM, Keys::at(1, -1, 2), several::msetnx)
        .doc("1.0.1", "Sets several keys if none of them exists."),
    row("msetex", -4, WRITE | DENYOOM, Keys::at(0, 0, 2).counted(1), several::msetex)
        .doc("9.1.0", "Sets several keys and when they expire, if a condition holds."),
    row("strlen", 2, READ, Keys::ONE, strlen).doc("2.2.0", "Returns the length of a string value."),
    row("append", 3, CHANGE, Keys::ONE, range::append)
        .doc("2.0.0", "Appends to the value of a key, or creates it."),
    row("setrange", 4, WRITE | DENYOOM, Keys::ONE, range::setrange)
        .doc("2.2.0", "Overwrites a part of a value, padding with zero bytes."),
    row("getrange", 4, READONLY, Keys::ONE, range::getrange)
        .doc("2.4.0", "Returns a part of a value."),
    row("substr", 4, READONLY, Keys::ONE, range::getrange)
        .doc("1.0.0", "Returns a part of a value."),
    row("incr", 2, CHANGE, Keys::ONE, counter::incr)
        .doc("1.0.0", "Adds one to the number at a key."),
    row("decr", 2, CHANGE, Keys::ONE, counter::decr)
        .doc("1.0.0", "Takes one from the number at a key."),
    row("incrby", 3, CHANGE, Keys::ONE, counter::incrby)
        .doc("1.0.0", "Adds to the number at a key."),
    row("decrby", 3, CHANGE, Keys::ONE, counter::decrby)
        .doc("1.0.0", "Takes from the number at a key."),
    row("incrbyfloat", 3, CHANGE, Keys::ONE, counter::incrbyfloat)
        .doc("2.6.0", "Adds to the floating-point number at a key."),
    row("lcs", -3, READONLY, Keys::at(1, 2, 1), lcs::lcs)
        .doc("7.0.0", "Finds the longest common subsequence of two values."),
];

fn get(ctx: &mut Context<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    let disposal = data.disposal();
    // An outcome within an outcome would be copied from one place in memory to another for each of the commonest of commands.
    let mut outcome = Ok(());
    data.read(key, |entry| match entry {
        Some(entry) => outcome = write_string(entry, out, disposal),
        None => out.null(),
    })?;
    outcome
}

fn strlen(ctx: &mut Context<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let len = ctx
        .data()
        .read(key, |entry| entry.map_or(Ok(0), |entry| string_of(entry).map(<[u8]>::len)))??;
    ctx.out.integer(len as i64);
    Ok(())
}

/// Answers 1 if the key held the value and went, else 0.
fn delifeq(ctx: &mut Context<'_>) -> Outcome {
    let (key, value) = (ctx.args.at(1), ctx.args.at(2));
    let (mut data, out) = ctx.parts();
    let removed = data.update(key, |entry, draft| {
        let is_equal = entry.map(string_of).transpose()? == Some(value);
        if is_equal {
            draft.remove();
        }
        Ok::<_, CommandError>(is_equal)
    })??;
    if removed {
        data.notify(class::GENERIC, "del", key);
    }
    out.integer(i64::from(removed));
    Ok(())
}

fn getdel(ctx: &mut Context<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    let (mark, disposal) = (out.mark(), data.disposal());
    let removed = data.update(key, |entry, draft| {
        out.rewind(mark);
        match entry {
            Some(entry) => {
                write_string(entry, out, disposal)?;
                draft.remove();
            }
            None => out.null(),
        }
        Ok::<_, CommandError>(entry.is_some())
    })??;
    if removed {
        data.notify(class::GENERIC, "del", key);
    }
    Ok(())
}

/// What GETEX does with the expiry.
#[derive(Clone, Copy)]
enum Change<'a> {
    Keep,
    Persist,
    To(Unit, &'a [u8]),
}

/// GETEX's options; of a repeated one the last counts.
fn change_of(args: Args<'_>) -> Result<Change<'_>, CommandError> {
    let mut change = Change::Keep;
    let mut at = 2;
    while at < args.len() {
        let unit = Unit::of_option(args.at(at)).zip(args.get(at + 1));
        change = match (change, unit) {
            (Change::Keep | Change::Persist, _) if args.is(at, "PERSIST") => Change::Persist,
            (Change::Keep, Some((unit, number))) => Change::To(unit, number),
            (Change::To(before, _), Some((unit, number))) if before == unit => {
                Change::To(unit, number)
            }
            _ => return Err(CommandError::Syntax),
        };
        at += 1 + usize::from(unit.is_some());
    }
    Ok(change)
}

fn getex(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let change = change_of(args)?;
    if let Change::Keep = change {
        return get(ctx);
    }
    let (mut data, out) = ctx.parts();
    let (mark, now_ms, disposal) = (out.mark(), data.now_ms(), data.disposal());
    let event = data.update(args.at(1), |entry, draft| {
        out.rewind(mark);
        let Some(entry) = entry else {
            out.null();
            return Ok(None);
        };
        string_of(entry)?;
        let mut event = None;
        match change {
            Change::To(unit, number) => match unit.future(number, now_ms, "getex")? {
                at if at <= now_ms => {
                    draft.remove();
                    event = Some("del");
                }
                at => {
                    draft.set_expiry(Some(at));
                    event = Some("expire");
                }
            },
            Change::Persist if entry.expire_at_ms().is_some() => {
                draft.set_expiry(None);
                event = Some("persist");
            }
            _ => {}
        }
        write_string(entry, out, disposal)?;
        Ok::<_, CommandError>(event)
    })??;
    if let Some(event) = event {
        data.notify(class::GENERIC, event, args.at(1));
    }
    Ok(())
}

fn mget(ctx: &mut Context<'_>) -> Outcome {
    read_keys(ctx, |ctx| {
        let (args, start) = (ctx.args, ctx.out.mark());
        ctx.out.array(args.len() - 1);
        for key in args.iter_from(1) {
            let (mut data, out) = ctx.parts();
            // Only reading tells how much there is; what has been written is taken back.
            data.patience.bear(out.written_since(start) / BYTES_A_STEP)?;
            let disposal = data.disposal();
            data.read(key, |entry| {
                if entry.is_none_or(|entry| write_string(entry, out, disposal).is_err()) {
                    out.null();
                }
            })?;
        }
        Ok(())
    })
}

//! HEXPIRE and its kin: fields that expire by themselves, as Valkey 9 has them (Redis 7.2 has none).

use crate::command::expiry::{Conditions, Unit};
use crate::command::{CommandError, Context, Outcome};
use crate::event::class;
use crate::resp::{Args, strict_integer};
use crate::value::{Hash, HashEdit};
use std::sync::Arc;

/// There is no such field; nothing was done; done; the time is over, so the field went.
const NO_FIELD: i64 = -2;
const NO_TIME: i64 = -1;
const NOT_DONE: i64 = 0;
const DONE: i64 = 1;
const DELETED: i64 = 2;

/// The fields behind `FIELDS count`, where `count` stands at `at`.
fn fields<'a>(
    args: Args<'a>,
    at: usize,
) -> Result<impl ExactSizeIterator<Item = &'a [u8]> + Clone, CommandError> {
    let count = strict_integer(args.at(at)).ok_or(CommandError::NotAnInteger)?;
    let fields = args.iter_from(at + 1);
    if count <= 0 || fields.len() as i64 != count {
        return Err(unmatched());
    }
    Ok(fields)
}

/// The fields behind `FIELDS count`, which has to stand at argument 2.
fn fields_at_once<'a>(
    args: Args<'a>,
) -> Result<impl ExactSizeIterator<Item = &'a [u8]> + Clone, CommandError> {
    if !args.is(2, "fields") {
        return Err(CommandError::Syntax);
    }
    fields(args, 3)
}

/// Of a number of fields that is not theirs.
pub(super) fn unmatched() -> CommandError {
    CommandError::other(
        "numfields should be greater than 0 and match the provided number of fields",
    )
}

pub(crate) fn hexpire(ctx: &mut Context<'_>) -> Outcome {
    set_times(ctx, Unit::EX, "hexpire")
}

pub(crate) fn hpexpire(ctx: &mut Context<'_>) -> Outcome {
    set_times(ctx, Unit::PX, "hpexpire")
}

pub(crate) fn hexpireat(ctx: &mut Context<'_>) -> Outcome {
    set_times(ctx, Unit::EXAT, "hexpireat")
}

pub(crate) fn hpexpireat(ctx: &mut Context<'_>) -> Outcome {
    set_times(ctx, Unit::PXAT, "hpexpireat")
}

/// What has become of a hash's fields.
struct Changed {
    answers: Vec<i64>,
    next_due_ms: Option<u64>,
    is_gone: bool,
}

impl Changed {
    fn has(&self, answer: i64) -> bool {
        self.answers.contains(&answer)
    }
}

fn set_times(ctx: &mut Context<'_>, unit: Unit, name: &str) -> Outcome {
    let args = ctx.args;
    let now_ms = ctx.data().now_ms();
    let word = (3..args.len() - 1).find(|&at| args.is(at, "fields")).ok_or_else(unmatched)?;
    let conditions = Conditions::of(args, 3..word)?;
    let fields = fields(args, word + 1)?;
    let time = unit.not_negative(args.at(2), now_ms, name)?;
    let changed = change(ctx, fields, |edit, field| {
        if edit.view().get(field).is_none() {
            NO_FIELD
        } else if !conditions.allow(edit.view().time_of(field), time as i64) {
            NOT_DONE
        } else if time <= now_ms {
            edit.remove(field);
            DELETED
        } else {
            edit.set_time(field, Some(time));
            DONE
        }
    })?;
    answer(ctx, &changed, "hexpire");
    Ok(())
}

pub(crate) fn hpersist(ctx: &mut Context<'_>) -> Outcome {
    let fields = fields_at_once(ctx.args)?;
    let changed = change(ctx, fields, |edit, field| {
        if edit.view().get(field).is_none() {
            return NO_FIELD;
        }
        if edit.view().time_of(field).is_none() {
            return NO_TIME;
        }
        edit.set_time(field, None);
        DONE
    })?;
    answer(ctx, &changed, "hpersist");
    Ok(())
}

/// Changes the fields of the hash at argument 1 one after the other; `f` answers of each.
fn change<'a>(
    ctx: &mut Context<'a>,
    fields: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
    mut f: impl FnMut(&mut HashEdit, &[u8]) -> i64,
) -> Result<Changed, CommandError> {
    let key = ctx.args.at(1);
    let mut data = ctx.data();
    let now_ms = data.now_ms();
    data.update(key, |entry, draft| {
        let Some(entry) = entry else {
            let answers = vec![NO_FIELD; fields.len()];
            return Ok(Changed { answers, next_due_ms: None, is_gone: false });
        };
        let mut edit = HashEdit::of(Some(entry), now_ms)?;
        let answers: Vec<i64> = fields.clone().map(|field| f(&mut edit, field)).collect();
        let (next_due_ms, is_gone) = (edit.next_due_ms(), edit.view().len() == 0);
        if answers.iter().any(|answer| *answer > 0) {
            edit.put(draft, entry.expire_at_ms());
        }
        Ok(Changed { answers, next_due_ms, is_gone })
    })?
}

fn answer(ctx: &mut Context<'_>, changed: &Changed, event: &'static str) {
    let (key, server) = (ctx.args.at(1), Arc::clone(&ctx.env.server));
    let (mut data, out) = ctx.parts();
    if let Some(time) = changed.next_due_ms {
        data.note_field_expiry(key, time);
    }
    if changed.has(DONE) {
        data.notify(class::HASH, event, key);
    }
    if changed.has(DELETED) {
        data.notify_shrunk(class::HASH, "hexpired", key, changed.is_gone);
        let expired = changed.answers.iter().filter(|answer| **answer == DELETED).count();
        server.field_expiry.expired.add(expired as u64);
    }
    out.array(changed.answers.len());
    changed.answers.iter().for_each(|answer| out.integer(*answer));
}

pub(crate) fn httl(ctx: &mut Context<'_>) -> Outcome {
    tell(ctx, |time, now_ms| (time - now_ms + 500) / 1000)
}

pub(crate) fn hpttl(ctx: &mut Context<'_>) -> Outcome {
    tell(ctx, |time, now_ms| time - now_ms)
}

pub(crate) fn hexpiretime(ctx: &mut Context<'_>) -> Outcome {
    tell(ctx, |time, _| time.saturating_add(500) / 1000)
}

pub(crate) fn hpexpiretime(ctx: &mut Context<'_>) -> Outcome {
    tell(ctx, |time, _| time)
}

/// Answers of each field `of(time, now)`.
fn tell(ctx: &mut Context<'_>, of: impl Fn(u64, u64) -> u64) -> Outcome {
    let args = ctx.args;
    let fields = fields_at_once(args).map_err(|error| match error {
        // As in Valkey: these do not tell what is wrong with the number.
        CommandError::NotAnInteger => error,
        _ => CommandError::Syntax,
    })?;
    let (mut data, out) = ctx.parts();
    let now_ms = data.now_ms();
    data.read(args.at(1), |entry| {
        let hash = entry.map(|entry| Hash::of(entry, now_ms)).transpose()?;
        out.array(fields.len());
        for field in fields {
            let told = match hash.filter(|hash| hash.get(field).is_some()) {
                None => NO_FIELD,
                Some(hash) => hash.time_of(field).map_or(NO_TIME, |time| of(time, now_ms) as i64),
            };
            out.integer(told);
        }
        Ok(())
    })?
}

//! HEXPIRE and its kin: fields that expire by themselves, as Redis 7.4 has them.

use crate::command::expiry::Unit;
use crate::command::{CommandError, Context, Outcome};
use crate::event::class;
use crate::resp::{Args, strict_integer};
use crate::value::{Hash, HashEdit};

/// There is no such field; nothing was done; done; the time is over, so the field went.
const NO_FIELD: i64 = -2;
const NO_TIME: i64 = -1;
const NOT_DONE: i64 = 0;
const DONE: i64 = 1;
const DELETED: i64 = 2;

/// The latest time: Redis keeps 46 bits.
const MAX_TIME_MS: i64 = (1 << 46) - 1;

/// When a field's time may change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    IfNone,
    IfSome,
    IfLater,
    IfEarlier,
}

impl Condition {
    fn of(word: &[u8]) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_slice() {
            b"nx" => Condition::IfNone,
            b"xx" => Condition::IfSome,
            b"gt" => Condition::IfLater,
            b"lt" => Condition::IfEarlier,
            _ => return None,
        })
    }

    /// Whether `present` may become `next`. No time is later than any.
    fn allows(self, present: Option<u64>, next: u64) -> bool {
        match self {
            Condition::Always => true,
            Condition::IfNone => present.is_none(),
            Condition::IfSome => present.is_some(),
            Condition::IfLater => present.is_some_and(|present| next > present),
            Condition::IfEarlier => present.is_none_or(|present| next < present),
        }
    }
}

/// The fields that follow `FIELDS count`, which stands at `at`.
fn fields<'a>(
    args: Args<'a>,
    at: usize,
) -> Result<impl ExactSizeIterator<Item = &'a [u8]> + Clone, CommandError> {
    if !args.get(at).is_some_and(|word| word.eq_ignore_ascii_case(b"FIELDS")) {
        let text = "Mandatory argument FIELDS is missing or not at the right position";
        return Err(CommandError::other(text));
    }
    let count = args.get(at + 1).and_then(strict_integer).filter(|count| *count > 0);
    let count = count
        .ok_or_else(|| CommandError::other("Parameter `numFields` should be greater than 0"))?;
    let fields = args.iter_from(at + 2);
    if fields.len() as i64 != count {
        let text = "The `numfields` parameter must match the number of arguments";
        return Err(CommandError::other(text));
    }
    Ok(fields)
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

fn time_of(ctx: &Context<'_>, unit: Unit, now_ms: u64, name: &str) -> Result<u64, CommandError> {
    if ctx.integer(2)? < 0 {
        return Err(CommandError::other("invalid expire time, must be >= 0"));
    }
    let time = unit.moment(ctx.args.at(2), now_ms, name)?;
    let time = u64::try_from(time).ok().filter(|time| *time <= MAX_TIME_MS as u64);
    time.ok_or_else(|| CommandError::other(format!("invalid expire time in '{name}' command")))
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
    let time = time_of(ctx, unit, now_ms, name)?;
    let condition = Condition::of(args.at(3));
    let fields = fields(args, if condition.is_some() { 4 } else { 3 })?;
    let condition = condition.unwrap_or(Condition::Always);
    let changed = change(ctx, fields, |edit, field| {
        if edit.view().get(field).is_none() {
            NO_FIELD
        } else if !condition.allows(edit.view().time_of(field), time) {
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
    let fields = fields(ctx.args, 2)?;
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
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    if let Some(time) = changed.next_due_ms {
        data.note_field_expiry(key, time);
    }
    if changed.has(DONE) {
        data.notify(class::HASH, event, key);
    }
    if changed.has(DELETED) {
        data.notify_shrunk(class::HASH, "hdel", key, changed.is_gone);
    }
    out.array(changed.answers.len());
    changed.answers.iter().for_each(|answer| out.integer(*answer));
}

pub(crate) fn httl(ctx: &mut Context<'_>) -> Outcome {
    tell(ctx, |time, now_ms| (time - now_ms).div_ceil(1000))
}

pub(crate) fn hpttl(ctx: &mut Context<'_>) -> Outcome {
    tell(ctx, |time, now_ms| time - now_ms)
}

pub(crate) fn hexpiretime(ctx: &mut Context<'_>) -> Outcome {
    tell(ctx, |time, _| time.div_ceil(1000))
}

pub(crate) fn hpexpiretime(ctx: &mut Context<'_>) -> Outcome {
    tell(ctx, |time, _| time)
}

/// Answers of each field `of(time, now)`.
fn tell(ctx: &mut Context<'_>, of: impl Fn(u64, u64) -> u64) -> Outcome {
    let args = ctx.args;
    let fields = fields(args, 2)?;
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

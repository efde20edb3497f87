//! HSETEX, HGETEX, HGETDEL: fields' values and times in one step, as Valkey 9 has them.

use super::expire::unmatched;
use crate::command::expiry::Unit;
use crate::command::{CommandError, Context, Outcome};
use crate::event::class;
use crate::resp::{Args, strict_integer};
use crate::value::{HashEdit, HashLimits};

/// What becomes of the fields' times.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times<'a> {
    /// As if nothing had been said.
    Unsaid,
    Kept,
    Ended,
    Until(Unit, &'a [u8]),
}

/// What is asked before anything is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    IfThere,
    IfAbsent,
}

impl Condition {
    /// This one, unless the opposite has been asked for.
    fn or(self, other: Condition) -> Result<Condition, CommandError> {
        if self == Condition::Always || self == other {
            Ok(other)
        } else {
            Err(CommandError::Syntax)
        }
    }

    fn holds(self, is_there: bool) -> bool {
        match self {
            Condition::Always => true,
            Condition::IfThere => is_there,
            Condition::IfAbsent => !is_there,
        }
    }
}

struct Asked<'a> {
    key: Condition,
    fields: Condition,
    times: Times<'a>,
    /// Where the fields begin.
    first: usize,
}

impl<'a> Asked<'a> {
    /// The options up to FIELDS, and that as many words follow as it says, `width` for each field.
    fn of(args: Args<'a>, sets: bool, width: usize) -> Result<Self, CommandError> {
        let (key, fields) = (Condition::Always, Condition::Always);
        let mut asked = Asked { key, fields, times: Times::Unsaid, first: 0 };
        // The first such word, also in the place of an option's value.
        let end = (2..args.len().saturating_sub(1)).find(|&at| args.is(at, "fields"));
        let end = end.ok_or_else(unmatched)?;
        let mut at = 2;
        while at < end {
            let word = args.at(at);
            let is_unsaid = asked.times == Times::Unsaid;
            match word.to_ascii_lowercase().as_slice() {
                b"nx" if sets => asked.key = asked.key.or(Condition::IfAbsent)?,
                b"xx" if sets => asked.key = asked.key.or(Condition::IfThere)?,
                b"fnx" if sets => asked.fields = asked.fields.or(Condition::IfAbsent)?,
                b"fxx" if sets => asked.fields = asked.fields.or(Condition::IfThere)?,
                b"keepttl" if sets && is_unsaid => asked.times = Times::Kept,
                b"persist" if !sets && is_unsaid => asked.times = Times::Ended,
                word => {
                    let unit = Unit::of_option(word).filter(|_| is_unsaid);
                    let unit = unit.ok_or(CommandError::Syntax)?;
                    let number = args.get(at + 1).filter(|_| at + 1 < end);
                    let number = number.ok_or(CommandError::Syntax)?;
                    asked.times = Times::Until(unit, number);
                    at += 1;
                }
            }
            at += 1;
        }
        let count = strict_integer(args.at(end + 1)).ok_or(CommandError::NotAnInteger)?;
        asked.first = end + 2;
        let words = args.len().saturating_sub(asked.first);
        let matches = count > 0 && count.checked_mul(width as i64) == Some(words as i64);
        if matches { Ok(asked) } else { Err(unmatched()) }
    }

    /// When the fields are to expire, if that is said.
    fn moment(&self, now_ms: u64, name: &str) -> Result<Option<u64>, CommandError> {
        let Times::Until(unit, number) = self.times else { return Ok(None) };
        unit.not_negative(number, now_ms, name).map(Some)
    }
}

/// What has happened to a hash.
#[derive(Default)]
struct Done {
    changed: bool,
    /// Fields whose time was over.
    expired: usize,
    is_gone: bool,
    next_due_ms: Option<u64>,
}

/// Tells of it: an event of each name, and of the key's end.
fn tell(ctx: &mut Context<'_>, done: &Done, names: &[&'static str]) {
    let key = ctx.args.at(1);
    let mut data = ctx.data();
    if let Some(time) = done.next_due_ms {
        data.note_field_expiry(key, time);
    }
    ctx.env.server.field_expiry.expired.add(done.expired as u64);
    let mut data = ctx.data();
    if done.changed {
        names.iter().for_each(|name| data.notify(class::HASH, name, key));
    }
    if done.is_gone {
        data.notify(class::GENERIC, "del", key);
    }
}

/// Answers 1 if all were set, else 0, and nothing was.
pub(crate) fn hsetex(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let asked = Asked::of(args, true, 2)?;
    let limits = HashLimits::of(&ctx.env.settings);
    let mut data = ctx.data();
    let now_ms = data.now_ms();
    let until = asked.moment(now_ms, "hsetex")?;
    let is_over = until.is_some_and(|until| until <= now_ms);
    let done = data.update(args.at(1), |entry, draft| {
        let mut edit = HashEdit::of(entry, now_ms)?;
        let pairs =
            || (asked.first..args.len()).step_by(2).map(|at| (args.at(at), args.at(at + 1)));
        let allowed = asked.key.holds(entry.is_some())
            && pairs().all(|(field, _)| asked.fields.holds(edit.view().get(field).is_some()));
        if !allowed {
            return Ok(None);
        }
        for (field, value) in pairs() {
            match (asked.times, until) {
                _ if is_over => {
                    edit.remove(field);
                }
                (Times::Kept, _) => edit.replace(field, value, limits),
                (_, until) => {
                    edit.set(field, value, limits);
                    if until.is_some() {
                        edit.set_time(field, until);
                    }
                }
            }
        }
        let expired = if is_over { pairs().count() } else { 0 };
        let is_gone = edit.view().len() == 0;
        let next_due_ms = edit.next_due_ms();
        edit.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
        Ok::<_, CommandError>(Some(Done { changed: true, expired, is_gone, next_due_ms }))
    })??;
    if let Some(done) = &done {
        let names: &[&str] = match (until, is_over) {
            (None, _) => &["hset"],
            (Some(_), false) => &["hset", "hexpire"],
            (Some(_), true) => &["hset", "hexpire", "hexpired"],
        };
        tell(ctx, done, names);
    }
    ctx.out.integer(i64::from(done.is_some()));
    Ok(())
}

/// Answers the fields' values as they were, and changes their times.
pub(crate) fn hgetex(ctx: &mut Context<'_>) -> Outcome {
    let asked = Asked::of(ctx.args, false, 1)?;
    let now_ms = ctx.data().now_ms();
    let until = asked.moment(now_ms, "hgetex")?;
    let is_over = until.is_some_and(|until| until <= now_ms);
    let mut done = take(ctx, asked.first, |edit, field| {
        let is_timed = edit.view().time_of(field).is_some();
        match (asked.times, until) {
            _ if is_over => edit.remove(field),
            (Times::Ended, _) if is_timed => {
                edit.set_time(field, None);
                true
            }
            (_, Some(until)) => {
                edit.set_time(field, Some(until));
                true
            }
            _ => false,
        }
    })?;
    if !is_over {
        done.expired = 0;
    }
    let name = match (asked.times, is_over) {
        (_, true) => "hexpired",
        (Times::Ended, _) => "hpersist",
        _ => "hexpire",
    };
    tell(ctx, &done, &[name]);
    Ok(())
}

/// Answers the fields' values, and removes them.
pub(crate) fn hgetdel(ctx: &mut Context<'_>) -> Outcome {
    if !ctx.args.is(2, "FIELDS") {
        return Err(CommandError::Syntax);
    }
    let asked = Asked::of(ctx.args, false, 1)?;
    let mut done = take(ctx, asked.first, HashEdit::remove)?;
    done.expired = 0;
    tell(ctx, &done, &["hdel"]);
    Ok(())
}

/// Answers the values of the fields from argument `first` on, and does `f` to those that are there, which tells whether it has changed anything.
fn take(
    ctx: &mut Context<'_>,
    first: usize,
    mut f: impl FnMut(&mut HashEdit, &[u8]) -> bool,
) -> Result<Done, CommandError> {
    let args = ctx.args;
    let (mut data, out) = ctx.parts();
    let (mark, now_ms) = (out.mark(), data.now_ms());
    data.update(args.at(1), |entry, draft| {
        out.rewind(mark);
        let mut edit = HashEdit::of(entry, now_ms)?;
        let mut touched = 0;
        out.array(args.len() - first);
        for field in args.iter_from(first) {
            let is_there = match edit.view().get(field) {
                Some(value) => {
                    out.bulk(value);
                    true
                }
                None => {
                    out.null();
                    false
                }
            };
            touched += usize::from(is_there && f(&mut edit, field));
        }
        let changed = touched > 0;
        let next_due_ms = edit.next_due_ms();
        let is_gone = changed && edit.view().len() == 0;
        if changed {
            edit.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
        }
        Ok(Done { changed, expired: touched, is_gone, next_due_ms })
    })?
}

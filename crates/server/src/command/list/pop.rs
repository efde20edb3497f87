//! LPOP, RPOP, LMPOP.

use super::{End, limits};
use crate::command::{CommandError, Context, Outcome};
use crate::data::{Data, atomically};
use crate::event::class;
use crate::resp::{Reply, strict_integer};
use crate::value::{List, ListEdit};

pub(crate) fn lpop(ctx: &mut Context<'_>) -> Outcome {
    pop(ctx, End::Front, "lpop")
}

pub(crate) fn rpop(ctx: &mut Context<'_>) -> Outcome {
    pop(ctx, End::Back, "rpop")
}

fn pop(ctx: &mut Context<'_>, end: End, name: &'static str) -> Outcome {
    let key = ctx.args.at(1);
    let Some(count) = ctx.args.get(2) else {
        if !take(ctx, key, end, 1, |_, _| {})? {
            ctx.out.null();
        }
        return Ok(());
    };
    if ctx.args.len() > 3 {
        return Err(CommandError::Arity(name));
    }
    let count = strict_integer(count).filter(|count| *count >= 0);
    let count =
        count.ok_or_else(|| CommandError::other("value is out of range, must be positive"))?;
    if !take(ctx, key, end, count as usize, Reply::array)? {
        ctx.out.null_array();
    }
    Ok(())
}

/// Takes up to `count` elements off a list and writes them, behind a header for so many. Whether there is a list.
pub(super) fn take(
    ctx: &mut Context<'_>,
    key: &[u8],
    end: End,
    count: usize,
    header: impl Fn(&mut Reply, usize),
) -> Result<bool, CommandError> {
    let limits = limits(ctx);
    let (mut data, out) = ctx.parts();
    let patience = data.patience;
    let mark = out.mark();
    let rest = data.update(key, |entry, draft| {
        let Some(entry) = entry else { return Ok(None) };
        let list = List::of(entry)?;
        let (len, count) = (list.len(), count.min(list.len()));
        patience.bear(count)?;
        out.rewind(mark);
        header(out, count);
        if count == 0 {
            return Ok(Some((count, len)));
        }
        let mut edit = ListEdit::of(Some(entry))?;
        match end {
            End::Front => {
                list.iter_from(0).take(count).for_each(|element| out.bulk(element));
                edit.remove(0, count);
            }
            End::Back => {
                list.iter_back(0).take(count).for_each(|element| out.bulk(element));
                edit.remove(len - count, len);
            }
        }
        edit.shrink(limits);
        edit.put(draft, entry.expire_at_ms());
        Ok::<_, CommandError>(Some((count, len - count)))
    })??;
    if let Some((1.., left)) = rest {
        tell_of_taking(&mut data, key, end, left == 0);
    }
    Ok(rest.is_some())
}

/// Tells that elements have gone from an end, and the list with the last one.
pub(super) fn tell_of_taking(data: &mut Data<'_>, key: &[u8], end: End, emptied: bool) {
    data.notify(class::LIST, if end.is_front() { "lpop" } else { "rpop" }, key);
    if emptied {
        data.notify(class::GENERIC, "del", key);
    }
}

/// What LMPOP and BLMPOP ask for.
pub(super) struct Wanted<'a> {
    pub(super) keys: Vec<&'a [u8]>,
    end: End,
    count: usize,
}

impl<'a> Wanted<'a> {
    /// Of the arguments from the number of keys, at `first`, on.
    pub(super) fn of(ctx: &Context<'a>, first: usize) -> Result<Self, CommandError> {
        let args = ctx.args;
        let positive = |text: &[u8], name: &str| {
            let number = strict_integer(text).filter(|number| *number > 0);
            number.ok_or_else(|| CommandError::other(format!("{name} should be greater than 0")))
        };
        let keys = positive(args.at(first), "numkeys")? as usize;
        let end_at = first.saturating_add(keys).saturating_add(1);
        let end = End::of(args.get(end_at).ok_or(CommandError::Syntax)?)?;
        let has_count = args.len() > end_at + 2 && args.is(end_at + 1, "COUNT");
        let count = if has_count { positive(args.at(end_at + 2), "count")? as usize } else { 1 };
        if args.len() > end_at + if has_count { 3 } else { 1 } {
            return Err(CommandError::Syntax);
        }
        Ok(Wanted { keys: args.iter_from(first + 1).take(keys).collect(), end, count })
    }

    /// Takes elements off the first list that has any, and writes the answer. Whether there was one.
    pub(super) fn take(&self, ctx: &mut Context<'_>) -> Result<bool, CommandError> {
        first_of(ctx, &self.keys, |ctx, key| {
            take(ctx, key, self.end, self.count, |out, count| {
                out.array(2);
                out.bulk(key);
                out.array(count);
            })
        })
    }
}

/// Tries `attempt` at each of the keys, at one moment, until it answers.
pub(super) fn first_of(
    ctx: &mut Context<'_>,
    keys: &[&[u8]],
    mut attempt: impl FnMut(&mut Context<'_>, &[u8]) -> Result<bool, CommandError>,
) -> Result<bool, CommandError> {
    if let [key] = keys {
        return attempt(ctx, key);
    }
    let mut found = false;
    atomically(ctx, |ctx| {
        found = false;
        for key in keys {
            found = attempt(ctx, key)?;
            if found {
                break;
            }
        }
        Ok(())
    })?;
    Ok(found)
}

pub(crate) fn lmpop(ctx: &mut Context<'_>) -> Outcome {
    let wanted = Wanted::of(ctx, 1)?;
    if !wanted.take(ctx)? {
        ctx.out.null_array();
    }
    Ok(())
}

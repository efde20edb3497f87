//! ZPOPMIN, ZPOPMAX, ZMPOP, and those that wait: BZPOPMIN, BZPOPMAX, BZMPOP.

use super::{begin_entries, write_entry};
use crate::blocking::{Awaited, Nothing, Wish, answer_or_wait, deadline};
use crate::command::{CommandError, Context, Outcome};
use crate::data::{Data, atomically};
use crate::event::class;
use crate::resp::{Args, Reply, strict_integer};
use crate::value::SortedSetEdit;

/// Members with their scores, as taken out.
type Popped = Vec<(Box<[u8]>, f64)>;

pub(crate) fn zpopmin(ctx: &mut Context<'_>) -> Outcome {
    pop_one_key(ctx, false)
}

pub(crate) fn zpopmax(ctx: &mut Context<'_>) -> Outcome {
    pop_one_key(ctx, true)
}

fn pop_one_key(ctx: &mut Context<'_>, highest: bool) -> Outcome {
    let args = ctx.args;
    let count = match args.len() {
        2 => None,
        3 => Some(
            strict_integer(args.at(2))
                .and_then(|count| usize::try_from(count).ok())
                .ok_or_else(|| CommandError::other("value is out of range, must be positive"))?,
        ),
        _ => return Err(CommandError::Syntax),
    };
    let (mut data, out) = ctx.parts();
    let popped = pop(&mut data, args.at(1), highest, count.unwrap_or(1))?.unwrap_or_default();
    match (count, popped.first()) {
        (None, Some((member, score))) => {
            out.array(2);
            out.bulk(member);
            out.double(*score);
        }
        _ => {
            begin_entries(out, popped.len(), true);
            popped.iter().for_each(|(member, score)| write_entry(out, member, *score, true));
        }
    }
    Ok(())
}

/// Takes so many members from one end; `None` if there is no such key.
fn pop(
    data: &mut Data<'_>,
    key: &[u8],
    highest: bool,
    count: usize,
) -> Result<Option<Popped>, CommandError> {
    let patience = data.patience;
    let (popped, is_gone) = data.update(key, |entry, draft| {
        let Some(entry) = entry else { return Ok((None, false)) };
        let mut edit = SortedSetEdit::of(Some(entry))?;
        let len = edit.view().len();
        let ranks = if highest { len.saturating_sub(count)..len } else { 0..count.min(len) };
        patience.bear(ranks.len())?;
        let popped = edit.take(ranks, highest);
        if !popped.is_empty() {
            edit.put(draft, entry.expire_at_ms());
        }
        Ok::<_, CommandError>((Some(popped), edit.view().len() == 0))
    })??;
    if popped.as_ref().is_some_and(|popped| !popped.is_empty()) {
        let name = if highest { "zpopmax" } else { "zpopmin" };
        data.notify_shrunk(class::ZSET, name, key, is_gone);
    }
    Ok(popped)
}

/// Takes so many members from the first of the keys that is there, and shows it and them to `write`. Whether one was.
fn pop_first(
    ctx: &mut Context<'_>,
    keys: &[&[u8]],
    highest: bool,
    count: usize,
    write: impl Fn(&mut Reply, &[u8], Popped),
) -> Result<bool, CommandError> {
    let mut found = false;
    atomically(ctx, |ctx| {
        found = false;
        let (mut data, out) = ctx.parts();
        for key in keys {
            if let Some(popped) = pop(&mut data, key, highest, count)? {
                found = true;
                write(out, key, popped);
                break;
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// ZMPOP's arguments.
struct Choice<'a> {
    keys: Vec<&'a [u8]>,
    highest: bool,
    count: usize,
}

impl<'a> Choice<'a> {
    /// Of the arguments from that which counts the keys on.
    fn parse(args: Args<'a>, count_at: usize) -> Result<Self, CommandError> {
        let positive = |at, text| {
            let number = strict_integer(args.at(at)).filter(|number| *number > 0);
            number.map(|number| number as usize).ok_or_else(|| CommandError::other(text))
        };
        let key_count = positive(count_at, "numkeys should be greater than 0")?;
        let end = (count_at + 1).saturating_add(key_count);
        let highest = match args.get(end) {
            Some(word) if word.eq_ignore_ascii_case(b"MIN") => false,
            Some(word) if word.eq_ignore_ascii_case(b"MAX") => true,
            _ => return Err(CommandError::Syntax),
        };
        let keys = args.iter_from(count_at + 1).take(key_count).collect();
        let behind = end + 1;
        let count = match args.len() - behind {
            0 => 1,
            2 if args.is(behind, "COUNT") => {
                positive(behind + 1, "count should be greater than 0")?
            }
            // As in Redis, a first COUNT is read before what follows it is found to be wrong.
            3.. if args.is(behind, "COUNT") => {
                positive(behind + 1, "count should be greater than 0")?;
                return Err(CommandError::Syntax);
            }
            _ => return Err(CommandError::Syntax),
        };
        Ok(Choice { keys, highest, count })
    }

    /// Takes members from the first of the keys that is there, and answers. Whether one was.
    fn pop(&self, ctx: &mut Context<'_>) -> Result<bool, CommandError> {
        pop_first(ctx, &self.keys, self.highest, self.count, |out, key, popped| {
            out.array(2);
            out.bulk(key);
            out.array(popped.len());
            for (member, score) in popped {
                out.array(2);
                out.bulk(&member);
                out.double(score);
            }
        })
    }
}

pub(crate) fn zmpop(ctx: &mut Context<'_>) -> Outcome {
    let choice = Choice::parse(ctx.args, 1)?;
    if !choice.pop(ctx)? {
        ctx.out.null_array();
    }
    Ok(())
}

/// A wait for a sorted set at one of the keys, for the time that an argument says.
fn wish<'a>(
    ctx: &Context<'a>,
    keys: Vec<&'a [u8]>,
    timeout: usize,
) -> Result<Wish<'a>, CommandError> {
    Ok(Wish {
        keys,
        awaited: Awaited::Type("zset"),
        nothing: Nothing::NullArray,
        deadline_ms: deadline(ctx.args.at(timeout), ctx.env.now_ms)?,
        request: None,
    })
}

pub(crate) fn bzpopmin(ctx: &mut Context<'_>) -> Outcome {
    wait_for_one(ctx, false)
}

pub(crate) fn bzpopmax(ctx: &mut Context<'_>) -> Outcome {
    wait_for_one(ctx, true)
}

fn wait_for_one(ctx: &mut Context<'_>, highest: bool) -> Outcome {
    let last = ctx.args.len() - 1;
    let keys: Vec<&[u8]> = ctx.args.iter_from(1).take(last - 1).collect();
    let wish = wish(ctx, keys.clone(), last)?;
    answer_or_wait(ctx, wish, |ctx| {
        pop_first(ctx, &keys, highest, 1, |out, key, popped| {
            out.array(3);
            out.bulk(key);
            for (member, score) in popped {
                out.bulk(&member);
                out.double(score);
            }
        })
    })
}

pub(crate) fn bzmpop(ctx: &mut Context<'_>) -> Outcome {
    let deadline = wish(ctx, Vec::new(), 1)?;
    let choice = Choice::parse(ctx.args, 2)?;
    let wish = Wish { keys: choice.keys.clone(), ..deadline };
    answer_or_wait(ctx, wish, |ctx| choice.pop(ctx))
}

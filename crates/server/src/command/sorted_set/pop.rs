//! ZPOPMIN, ZPOPMAX, ZMPOP.

use super::{begin_entries, write_entry};
use crate::command::{CommandError, Context, Outcome};
use crate::data::{Data, atomically};
use crate::resp::{Args, strict_integer};
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
    data.update(key, |entry, draft| {
        let Some(entry) = entry else { return Ok(None) };
        let mut edit = SortedSetEdit::of(Some(entry))?;
        let len = edit.view().len();
        let ranks = if highest { len.saturating_sub(count)..len } else { 0..count.min(len) };
        let popped = edit.take(ranks, highest);
        if !popped.is_empty() {
            edit.put(draft, entry.expire_at_ms());
        }
        Ok(Some(popped))
    })?
}

/// ZMPOP's arguments.
struct Choice {
    keys: std::ops::Range<usize>,
    highest: bool,
    count: usize,
}

impl Choice {
    /// Of the arguments from that which counts the keys on.
    fn parse(args: Args<'_>, count_at: usize) -> Result<Self, CommandError> {
        let positive = |at, text| {
            let number = strict_integer(args.at(at)).filter(|number| *number > 0);
            number.map(|number| number as usize).ok_or_else(|| CommandError::other(text))
        };
        let key_count = positive(count_at, "numkeys should be greater than 0")?;
        let keys = count_at + 1..(count_at + 1).saturating_add(key_count);
        let highest = match args.get(keys.end) {
            Some(word) if word.eq_ignore_ascii_case(b"MIN") => false,
            Some(word) if word.eq_ignore_ascii_case(b"MAX") => true,
            _ => return Err(CommandError::Syntax),
        };
        let behind = keys.end + 1;
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
        let args = ctx.args;
        let (mut data, out) = ctx.parts();
        for at in self.keys.clone() {
            let Some(popped) = pop(&mut data, args.at(at), self.highest, self.count)? else {
                continue;
            };
            out.array(2);
            out.bulk(args.at(at));
            out.array(popped.len());
            for (member, score) in popped {
                out.array(2);
                out.bulk(&member);
                out.double(score);
            }
            return Ok(true);
        }
        Ok(false)
    }
}

pub(crate) fn zmpop(ctx: &mut Context<'_>) -> Outcome {
    let choice = Choice::parse(ctx.args, 1)?;
    atomically(ctx, |ctx| {
        if !choice.pop(ctx)? {
            ctx.out.null_array();
        }
        Ok(())
    })
}

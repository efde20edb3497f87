//! LSET, LINSERT, LREM, LTRIM.

use super::{limits, position, range};
use crate::command::{CommandError, Context, Outcome};
use crate::event::class;
use crate::value::{List, ListEdit};

/// Up to so many elements are removed one by one; more by making the list anew.
const FEW: usize = 16;

/// Changes the list at argument 1 as `f` does, if there is one; if `f` fails, or says `None`, nothing is changed. A list that has become small is packed.
fn change<R>(
    ctx: &mut Context<'_>,
    event: &'static str,
    mut f: impl FnMut(&mut ListEdit) -> Result<Option<R>, CommandError>,
) -> Result<Option<Option<R>>, CommandError> {
    let (key, limits) = (ctx.args.at(1), limits(ctx));
    let mut data = ctx.data();
    let (result, emptied) = data.update(key, |entry, draft| {
        let Some(entry) = entry else { return Ok((None, false)) };
        let mut edit = ListEdit::of(Some(entry))?;
        let result = f(&mut edit)?;
        let emptied = edit.view().len() == 0;
        if result.is_some() {
            edit.shrink(limits);
            edit.put(draft, entry.expire_at_ms());
        }
        Ok::<_, CommandError>((Some(result), emptied))
    })??;
    if matches!(result, Some(Some(_))) {
        data.notify(class::LIST, event, key);
        if emptied {
            data.notify(class::GENERIC, "del", key);
        }
    }
    Ok(result)
}

pub(crate) fn lset(ctx: &mut Context<'_>) -> Outcome {
    let (args, limits) = (ctx.args, limits(ctx));
    let index = crate::resp::strict_integer(args.at(2));
    let done = change(ctx, "lset", |edit| {
        let index = index.ok_or(CommandError::NotAnInteger)?;
        let number = position(index, edit.view().len())
            .ok_or_else(|| CommandError::other("index out of range"))?;
        edit.set(number, args.at(3), limits);
        Ok(Some(()))
    })?;
    done.ok_or(CommandError::NoSuchKey)?;
    ctx.out.ok();
    Ok(())
}

pub(crate) fn linsert(ctx: &mut Context<'_>) -> Outcome {
    let (args, limits) = (ctx.args, limits(ctx));
    let after = match () {
        () if args.is(2, "AFTER") => true,
        () if args.is(2, "BEFORE") => false,
        () => return Err(CommandError::Syntax),
    };
    let patience = ctx.patience();
    let len = change(ctx, "linsert", |edit| {
        patience.bear(edit.view().len())?;
        let pivot = edit.view().iter_from(0).position(|element| element == args.at(3));
        Ok(pivot.map(|pivot| {
            edit.insert(pivot + usize::from(after), args.at(4), limits);
            edit.view().len() as i64
        }))
    })?;
    ctx.out.integer(len.map_or(0, |len| len.unwrap_or(-1)));
    Ok(())
}

pub(crate) fn lrem(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let (count, patience) = (ctx.integer(2)?, ctx.patience());
    let removed = change(ctx, "lrem", |edit| {
        patience.bear(edit.view().len())?;
        let doomed = occurrences(edit.view(), args.at(3), count);
        if doomed.is_empty() {
            return Ok(None);
        }
        remove_all(edit, &doomed);
        Ok(Some(doomed.len() as i64))
    })?;
    ctx.out.integer(removed.flatten().unwrap_or(0));
    Ok(())
}

/// Where the first (or, `count` negative, the last) so many elements that equal `wanted` stand, in order; 0: all.
fn occurrences(list: List<'_>, wanted: &[u8], count: i64) -> Vec<usize> {
    let most = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let matches = |(number, element): (usize, &[u8])| (element == wanted).then_some(number);
    if count >= 0 {
        return list.iter_from(0).enumerate().filter_map(matches).take(most).collect();
    }
    let last = list.len().saturating_sub(1);
    let walk = list.iter_back(0).enumerate().filter_map(matches).take(most);
    let mut found: Vec<usize> = walk.map(|number| last - number).collect();
    found.reverse();
    found
}

fn remove_all(edit: &mut ListEdit, doomed: &[usize]) {
    if doomed.len() <= FEW {
        doomed.iter().rev().for_each(|number| edit.remove(*number, number + 1));
        return;
    }
    let mut doomed = doomed.iter().copied().peekable();
    let mut number = 0;
    edit.retain(|_| {
        let goes = doomed.next_if_eq(&number).is_some();
        number += 1;
        !goes
    });
}

pub(crate) fn ltrim(ctx: &mut Context<'_>) -> Outcome {
    let (start, stop) = (ctx.integer(2)?, ctx.integer(3)?);
    change(ctx, "ltrim", |edit| {
        let len = edit.view().len();
        let (start, end) = range(start, stop, len);
        edit.remove(end, len);
        edit.remove(0, start);
        Ok(Some(()))
    })?;
    ctx.out.ok();
    Ok(())
}

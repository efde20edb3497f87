//! Reading lists.

use super::{position, range};
use crate::command::rows::Shown;
use crate::command::{CommandError, Context, Outcome};
use crate::resp::{Args, Reply, strict_integer};
use crate::value::List;

/// Shows the list at argument 1, `None` if there is no such key, to `f`, which answers.
fn answer(
    ctx: &mut Context<'_>,
    f: impl FnOnce(Option<List<'_>>, &mut Reply, Args<'_>),
) -> Outcome {
    let args = ctx.args;
    let (mut data, out) = ctx.parts();
    data.read(args.at(1), |entry| {
        f(entry.map(List::of).transpose()?, out, args);
        Ok(())
    })?
}

pub(crate) fn llen(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |list, out, _| out.integer(list.map_or(0, List::len) as i64))
}

pub(crate) fn lrange(ctx: &mut Context<'_>) -> Outcome {
    let (start, stop) = (ctx.integer(2)?, ctx.integer(3)?);
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    let display = data.display(out);
    data.read(key, |entry| {
        let Some(entry) = entry else {
            out.array(0);
            return Ok(());
        };
        let list = List::of(entry)?;
        let (start, end) = range(start, stop, list.len());
        display.bear(entry, end - start)?;
        out.array(end - start);
        display.show(entry, (Shown::Elements, start..end), out, |out| {
            list.iter_from(start).take(end - start).for_each(|element| out.bulk(element));
        });
        Ok(())
    })?
}

pub(crate) fn lindex(ctx: &mut Context<'_>) -> Outcome {
    let index = strict_integer(ctx.args.at(2));
    let mut wrong = false;
    answer(ctx, |list, out, _| {
        let Some(list) = list else { return out.null() };
        let Some(index) = index else {
            wrong = true;
            return;
        };
        match position(index, list.len()).and_then(|number| list.get(number)) {
            Some(element) => out.bulk(element),
            None => out.null(),
        }
    })?;
    if wrong { Err(CommandError::NotAnInteger) } else { Ok(()) }
}

/// LPOS's options.
struct Search {
    rank: i64,
    /// `None`: the first match only, and not as an array.
    count: Option<usize>,
    /// Elements looked at; 0: all.
    most: usize,
}

impl Search {
    fn of(args: Args<'_>) -> Result<Self, CommandError> {
        let mut search = Search { rank: 1, count: None, most: 0 };
        let mut at = 3;
        while at < args.len() {
            let value = args.get(at + 1).ok_or(CommandError::Syntax)?;
            let number = strict_integer(value);
            let size = |name: &str| {
                let size = number.filter(|number| *number >= 0);
                let size = size.map(|size| size as usize);
                size.ok_or_else(|| CommandError::other(format!("{name} can't be negative")))
            };
            if args.is(at, "RANK") {
                search.rank = rank(value)?;
            } else if args.is(at, "COUNT") {
                search.count = Some(size("COUNT")?);
            } else if args.is(at, "MAXLEN") {
                search.most = size("MAXLEN")?;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 2;
        }
        Ok(search)
    }
}

fn rank(text: &[u8]) -> Result<i64, CommandError> {
    match strict_integer(text) {
        Some(0) => Err(CommandError::other(
            "RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
             or use negative to start from the end of the list",
        )),
        Some(i64::MIN) => Err(CommandError::other(format!(
            "value is out of range, value must between {} and {}",
            -i64::MAX,
            i64::MAX
        ))),
        Some(rank) => Ok(rank),
        None => Err(CommandError::NotAnInteger),
    }
}

pub(crate) fn lpos(ctx: &mut Context<'_>) -> Outcome {
    let (search, args) = (Search::of(ctx.args)?, ctx.args);
    let (mut data, out) = ctx.parts();
    data.read_whole(args.at(1), |entry| {
        let list = entry.map(List::of).transpose()?;
        let found = list.map(|list| find(list, args.at(2), &search)).unwrap_or_default();
        match (search.count, found.first()) {
            (Some(_), _) => {
                out.array(found.len());
                found.iter().for_each(|number| out.integer(*number as i64));
            }
            (None, Some(number)) => out.integer(*number as i64),
            (None, None) => out.null(),
        }
        Ok(())
    })?
}

fn find(list: List<'_>, wanted: &[u8], search: &Search) -> Vec<usize> {
    let last = list.len().saturating_sub(1);
    let looked_at = if search.most == 0 { usize::MAX } else { search.most };
    let passed_over = search.rank.unsigned_abs() as usize - 1;
    let count = match search.count {
        None => 1,
        Some(0) => usize::MAX,
        Some(count) => count,
    };
    let matches = |(number, element): (usize, &[u8])| (element == wanted).then_some(number);
    if search.rank > 0 {
        let walk = list.iter_from(0).enumerate().take(looked_at).filter_map(matches);
        walk.skip(passed_over).take(count).collect()
    } else {
        let walk = list.iter_back(0).enumerate().take(looked_at).filter_map(matches);
        walk.skip(passed_over).take(count).map(|number| last - number).collect()
    }
}

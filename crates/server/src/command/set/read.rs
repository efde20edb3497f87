//! Reading one set.

use crate::command::keys::{ScanOptions, Scanned, cursor};
use crate::command::rows::Shown;
use crate::command::{Context, Outcome};
use crate::resp::{Args, Reply};
use crate::value::Set;

/// Shows the set at argument 1, `None` if there is no such key, to `f`, which answers.
fn answer(
    ctx: &mut Context<'_>,
    f: impl FnOnce(Option<Set<'_>>, &mut Reply, Args<'_>) -> Outcome,
) -> Outcome {
    let args = ctx.args;
    let (mut data, out) = ctx.parts();
    data.read(args.at(1), |entry| f(entry.map(Set::of).transpose()?, out, args))?
}

pub(crate) fn scard(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |set, out, _| {
        out.integer(set.map_or(0, Set::len) as i64);
        Ok(())
    })
}

pub(crate) fn sismember(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |set, out, args| {
        out.integer(i64::from(set.is_some_and(|set| set.contains(args.at(2)))));
        Ok(())
    })
}

pub(crate) fn smismember(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |set, out, args| {
        out.array(args.len() - 2);
        for member in args.iter_from(2) {
            out.integer(i64::from(set.is_some_and(|set| set.contains(member))));
        }
        Ok(())
    })
}

pub(crate) fn smembers(ctx: &mut Context<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    let display = data.display(out);
    data.read(key, |entry| {
        let Some(entry) = entry else {
            out.set(0);
            return Ok(());
        };
        let set = Set::of(entry)?;
        display.bear(entry, set.len())?;
        out.set(set.len());
        display.show(entry, (Shown::Members, 0..set.len()), out, |out| {
            set.for_each(|member| out.bulk(member));
        });
        Ok(())
    })?
}

pub(crate) fn sscan(ctx: &mut Context<'_>) -> Outcome {
    let (from, patience) = (cursor(ctx.args.at(2))?, ctx.patience());
    answer(ctx, |set, out, args| {
        let options = ScanOptions::of_key(args, set.is_some(), Scanned::Set)?;
        let page = options.page(from, set.map_or(0, Set::len), matches!(set, Some(Set::Large(_))));
        let mut members = match set {
            None => Vec::new(),
            Some(set @ Set::Large(_)) => {
                patience.bear(page.rows.len())?;
                page.rows.clone().rev().filter_map(|number| set.member(number)).collect()
            }
            Some(small) => small.members(),
        };
        members.retain(|member| options.matches(member));
        page.answer(out, members.len());
        members.iter().for_each(|member| out.bulk(member));
        Ok(())
    })
}

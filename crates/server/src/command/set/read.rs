//! Reading one set.

use crate::command::keys::{ScanOptions, cursor};
use crate::command::{CommandError, Context, Outcome};
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
    let patience = ctx.patience();
    answer(ctx, |set, out, _| {
        patience.bear(set.map_or(0, Set::len))?;
        out.set(set.map_or(0, Set::len));
        if let Some(set) = set {
            set.for_each(|member| out.bulk(member));
        }
        Ok(())
    })
}

/// The cursor of a large set is the number of members that are still to be visited, from the last to the first; others come at once.
pub(crate) fn sscan(ctx: &mut Context<'_>) -> Outcome {
    let (from, patience) = (cursor(ctx.args.at(2))?, ctx.patience());
    answer(ctx, |set, out, args| {
        // As in Redis, a key that is not there has no options to be wrong.
        let options =
            if set.is_some() { ScanOptions::of(args, 3, false)? } else { ScanOptions::default() };
        if options.no_values {
            return Err(CommandError::other("NOVALUES option can only be used in HSCAN"));
        }
        let (mut members, mut next) = (Vec::new(), 0);
        match set {
            None => {}
            Some(Set::Large(large)) => {
                let end = if from == 0 { large.len() } else { large.len().min(from as usize) };
                next = end.saturating_sub(options.count.unwrap_or(10));
                patience.bear(end - next)?;
                let set = Set::Large(large);
                members.extend((next..end).rev().filter_map(|number| set.member(number)));
            }
            Some(small) => members = small.members(),
        }
        members.retain(|member| options.matches(member));
        out.array(2);
        out.bulk(itoa::Buffer::new().format(next).as_bytes());
        out.array(members.len());
        members.iter().for_each(|member| out.bulk(member));
        Ok(())
    })
}

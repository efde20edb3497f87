//! What several sets have in common, have together, have apart; answered or stored.

use crate::command::{CommandError, Context, Outcome};
use crate::data::{Data, at_one_cut, atomically, read_keys};
use crate::event::class;
use crate::resp::strict_integer;
use crate::value::{SetEdit, SetLimits};
use std::borrow::Cow;
use std::collections::HashSet;
use stillpoint_primitive::scheduling;

/// How sets are put together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Common,
    Any,
    FirstOnly,
}

pub(crate) fn sinter(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, Rule::Common)
}

pub(crate) fn sunion(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, Rule::Any)
}

pub(crate) fn sdiff(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, Rule::FirstOnly)
}

pub(crate) fn sinterstore(ctx: &mut Context<'_>) -> Outcome {
    store(ctx, Rule::Common, "sinterstore")
}

pub(crate) fn sunionstore(ctx: &mut Context<'_>) -> Outcome {
    store(ctx, Rule::Any, "sunionstore")
}

pub(crate) fn sdiffstore(ctx: &mut Context<'_>) -> Outcome {
    store(ctx, Rule::FirstOnly, "sdiffstore")
}

/// The sets at these keys; one that is not there is empty. Small ones are copied, large ones shared.
fn sets<'k>(
    data: &mut Data<'_>,
    keys: impl Iterator<Item = &'k [u8]>,
) -> Result<Vec<SetEdit>, CommandError> {
    let sets: Result<Vec<SetEdit>, CommandError> =
        keys.map(|key| data.read(key, SetEdit::of)?).collect();
    let sets = sets?;
    data.patience.bear(sets.iter().map(|set| set.view().len()).sum())?;
    Ok(sets)
}

type Members<'s> = Vec<Cow<'s, [u8]>>;

fn combine(rule: Rule, sets: &[SetEdit]) -> Members<'_> {
    match rule {
        Rule::Common => common(sets, usize::MAX),
        Rule::Any => any(sets),
        Rule::FirstOnly => first_only(sets),
    }
}

/// At most `limit` of the members that all sets have.
fn common(sets: &[SetEdit], limit: usize) -> Members<'_> {
    let smallest = (0..sets.len()).min_by_key(|number| sets[*number].view().len());
    let Some(smallest) = smallest else { return Vec::new() };
    let mut others: Vec<_> = (0..sets.len()).filter(|number| *number != smallest).collect();
    others.sort_by_key(|number| sets[*number].view().len());
    let in_all = |member: &[u8]| others.iter().all(|number| sets[*number].view().contains(member));
    let members = sets[smallest].view().members().into_iter();
    members.filter(|member| in_all(member)).take(limit).collect()
}

/// Sets up to which it is quicker to look whether one of those before has a member than to remember all of them.
const FEW: usize = 3;

fn any(sets: &[SetEdit]) -> Members<'_> {
    if sets.len() <= FEW {
        let mut largest_first: Vec<&SetEdit> = sets.iter().collect();
        largest_first.sort_by_key(|set| std::cmp::Reverse(set.view().len()));
        let of = |number: usize| {
            let before = &largest_first[..number];
            let is_first = |member: &[u8]| !before.iter().any(|set| set.view().contains(member));
            let members = largest_first[number].view().members().into_iter();
            members.filter(move |member| is_first(member)).collect::<Members<'_>>()
        };
        return (0..largest_first.len()).flat_map(of).collect();
    }
    let members: Members<'_> = sets.iter().flat_map(|set| set.view().members()).collect();
    let mut seen = HashSet::with_capacity(members.len());
    let is_first = members.iter().map(|member| seen.insert(&**member));
    let is_first: Vec<bool> = is_first.inspect(|_| scheduling::yield_point()).collect();
    let mut is_first = is_first.into_iter();
    members.into_iter().filter(|_| is_first.next().unwrap_or(false)).collect()
}

fn first_only(sets: &[SetEdit]) -> Members<'_> {
    let Some((first, others)) = sets.split_first() else { return Vec::new() };
    let in_another = |member: &[u8]| others.iter().any(|set| set.view().contains(member));
    first.view().members().into_iter().filter(|member| !in_another(member)).collect()
}

fn answer(ctx: &mut Context<'_>, rule: Rule) -> Outcome {
    read_keys(ctx, |ctx| {
        let args = ctx.args;
        let (mut data, out) = ctx.parts();
        let sets = sets(&mut data, args.iter_from(1))?;
        let members = combine(rule, &sets);
        out.set(members.len());
        for member in &members {
            out.bulk(member);
            scheduling::yield_point();
        }
        Ok(())
    })
}

fn store(ctx: &mut Context<'_>, rule: Rule, name: &'static str) -> Outcome {
    let args = ctx.args;
    let limits = SetLimits::of(&ctx.env.settings);
    atomically(ctx, |ctx| {
        let (mut data, out) = ctx.parts();
        let mut sets = sets(&mut data, args.iter_from(2))?;
        let result = match large_union(rule, &mut sets, limits) {
            Some(union) => union,
            None => {
                let mut result = SetEdit::new();
                for member in &combine(rule, &sets) {
                    result.add(member, limits);
                    scheduling::yield_point();
                }
                result
            }
        };
        let count = result.view().len();
        let was_there = data.update(args.at(1), |entry, draft| {
            if entry.is_some() || count > 0 {
                result.put(draft, None);
            }
            entry.is_some()
        })?;
        data.notify_stored(class::SET, name, args.at(1), was_there, count == 0);
        out.integer(count as i64);
        Ok(())
    })
}

/// The union, if one of the sets is large: what the largest has is shared, what the others have comes to it.
fn large_union(rule: Rule, sets: &mut [SetEdit], limits: SetLimits) -> Option<SetEdit> {
    let largest = (0..sets.len()).max_by_key(|number| sets[*number].view().len())?;
    if rule != Rule::Any || !matches!(sets[largest], SetEdit::Large(_)) {
        return None;
    }
    let mut union = std::mem::replace(&mut sets[largest], SetEdit::new());
    for set in &*sets {
        union.add_all(set.view(), limits);
    }
    Some(union)
}

pub(crate) fn sintercard(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let count = strict_integer(args.at(1))
        .filter(|count: &i64| *count > 0)
        .ok_or_else(|| CommandError::other("numkeys should be greater than 0"))?;
    if count > args.len() as i64 - 2 {
        return Err(CommandError::other("Number of keys can't be greater than number of args"));
    }
    let mut limit = 0;
    let mut at = 2 + count as usize;
    while at < args.len() {
        if !args.is(at, "LIMIT") || at + 1 == args.len() {
            return Err(CommandError::Syntax);
        }
        limit = strict_integer(args.at(at + 1))
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or_else(|| CommandError::other("LIMIT can't be negative"))?;
        at += 2;
    }
    let limit = if limit == 0 { usize::MAX } else { limit };
    at_one_cut(ctx, |ctx| {
        let (mut data, out) = ctx.parts();
        let sets = sets(&mut data, args.iter_from(2).take(count as usize))?;
        out.integer(common(&sets, limit).len() as i64);
        Ok(())
    })
}

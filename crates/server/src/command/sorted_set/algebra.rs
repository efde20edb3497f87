//! What several sorted sets, or sets, have in common, have together, have apart; answered or stored.

use super::{begin_entries, write_entry};
use crate::command::{CommandError, Context, Outcome};
use crate::data::{Data, Item, at_one_cut, atomically};
use crate::event::class;
use crate::resp::{Args, strict_integer};
use crate::value::{Set, SetEdit, SortedSet, SortedSetEdit, SortedSetLimits, parse_score};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

/// How they are put together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Common,
    Any,
    FirstOnly,
    /// [`Rule::Common`], but only counted.
    CountCommon,
}

/// What becomes of a member's scores.
#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, score: f64, other: f64) -> f64 {
        match self {
            // Infinities that cancel out leave nothing.
            Aggregate::Sum => number(score + other),
            Aggregate::Min => {
                if other < score {
                    other
                } else {
                    score
                }
            }
            Aggregate::Max => {
                if other > score {
                    other
                } else {
                    score
                }
            }
        }
    }
}

/// 0 for what is no number.
fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// The keys among the arguments, and where they end.
fn keys(args: Args<'_>, stores: bool, name: &str) -> Result<Range<usize>, CommandError> {
    let count_at = if stores { 2 } else { 1 };
    let count = strict_integer(args.at(count_at)).ok_or(CommandError::NotAnInteger)?;
    if count < 1 {
        let text = format!("at least 1 input key is needed for '{name}' command");
        return Err(CommandError::other(text));
    }
    if count > (args.len() - count_at - 1) as i64 {
        return Err(CommandError::Syntax);
    }
    Ok(count_at + 1..count_at + 1 + count as usize)
}

/// What the keys hold.
fn inputs(
    data: &mut Data<'_>,
    args: Args<'_>,
    keys: Range<usize>,
) -> Result<Vec<Input>, CommandError> {
    let inputs: Result<Vec<Input>, CommandError> =
        keys.map(|at| data.read(args.at(at), Input::of)?).collect();
    let inputs = inputs?;
    data.patience.bear(inputs.iter().map(Input::len).sum())?;
    Ok(inputs)
}

/// The options behind the keys.
struct Request {
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// `usize::MAX`: none.
    limit: usize,
}

impl Request {
    /// Reads them. `stores`: there is a destination at argument 1.
    fn parse(
        args: Args<'_>,
        keys: Range<usize>,
        rule: Rule,
        stores: bool,
    ) -> Result<Self, CommandError> {
        let mut request = Request {
            weights: vec![1.0; keys.len()],
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: usize::MAX,
        };
        let mut at = keys.end;
        while at < args.len() {
            at = request.option(args, at, rule, stores)?;
        }
        Ok(request)
    }

    /// Reads one option; where the next one begins.
    fn option(
        &mut self,
        args: Args<'_>,
        at: usize,
        rule: Rule,
        stores: bool,
    ) -> Result<usize, CommandError> {
        let left = args.len() - at - 1;
        let weighs = matches!(rule, Rule::Common | Rule::Any);
        if weighs && left >= self.weights.len() && args.is(at, "WEIGHTS") {
            for (number, weight) in self.weights.iter_mut().enumerate() {
                *weight = parse_score(args.at(at + 1 + number))
                    .map_err(|_| CommandError::other("weight value is not a float"))?;
            }
            return Ok(at + 1 + self.weights.len());
        }
        if weighs && left >= 1 && args.is(at, "AGGREGATE") {
            self.aggregate = match () {
                () if args.is(at + 1, "SUM") => Aggregate::Sum,
                () if args.is(at + 1, "MIN") => Aggregate::Min,
                () if args.is(at + 1, "MAX") => Aggregate::Max,
                () => return Err(CommandError::Syntax),
            };
            return Ok(at + 2);
        }
        if !stores && rule != Rule::CountCommon && args.is(at, "WITHSCORES") {
            self.with_scores = true;
            return Ok(at + 1);
        }
        if rule == Rule::CountCommon && left >= 1 && args.is(at, "LIMIT") {
            let limit = strict_integer(args.at(at + 1))
                .and_then(|limit| usize::try_from(limit).ok())
                .ok_or_else(|| CommandError::other("LIMIT can't be negative"))?;
            self.limit = if limit == 0 { usize::MAX } else { limit };
            return Ok(at + 2);
        }
        Err(CommandError::Syntax)
    }

    /// The inputs with their weights; for all rules but [`Rule::FirstOnly`] the smallest first, as in Redis.
    fn weigh(&self, inputs: Vec<Input>, rule: Rule) -> Vec<(Input, f64)> {
        let mut inputs: Vec<_> = inputs.into_iter().zip(self.weights.iter().copied()).collect();
        if rule != Rule::FirstOnly {
            inputs.sort_by_key(|(input, _)| input.len());
        }
        inputs
    }

    fn combine<'i>(&self, rule: Rule, inputs: &'i [(Input, f64)]) -> Entries<'i> {
        match rule {
            Rule::Common | Rule::CountCommon => self.common(inputs),
            Rule::Any => self.any(inputs),
            Rule::FirstOnly => first_only(inputs),
        }
    }

    fn common<'i>(&self, inputs: &'i [(Input, f64)]) -> Entries<'i> {
        let Some(((smallest, weight), others)) = inputs.split_first() else { return Vec::new() };
        let with_all = |(member, score): (Cow<'i, [u8]>, f64)| {
            let mut sum = number(score * weight);
            for (other, weight) in others {
                sum = self.aggregate.of(sum, other.score(&member)? * weight);
            }
            Some((member, sum))
        };
        smallest.entries().into_iter().filter_map(with_all).take(self.limit).collect()
    }

    fn any<'i>(&self, inputs: &'i [(Input, f64)]) -> Entries<'i> {
        let mut scores: HashMap<Cow<'i, [u8]>, f64> = HashMap::new();
        for (input, weight) in inputs {
            for (member, score) in input.entries() {
                let score = number(score * weight);
                scores
                    .entry(member)
                    .and_modify(|sum| *sum = self.aggregate.of(*sum, score))
                    .or_insert(score);
            }
        }
        scores.into_iter().collect()
    }
}

type Entries<'i> = Vec<(Cow<'i, [u8]>, f64)>;

fn first_only(inputs: &[(Input, f64)]) -> Entries<'_> {
    let Some(((first, _), others)) = inputs.split_first() else { return Vec::new() };
    let mut entries = first.entries();
    entries.retain(|(member, _)| others.iter().all(|(other, _)| other.score(member).is_none()));
    entries
}

/// A sorted set, or a set, each member of which has the score 1.
enum Input {
    Sorted(SortedSetEdit),
    Plain(SetEdit),
}

impl Input {
    fn of(entry: Option<Item<'_>>) -> Result<Self, CommandError> {
        match entry {
            Some(item) if Set::of(item).is_ok() => SetEdit::of(entry).map(Input::Plain),
            _ => SortedSetEdit::of(entry).map(Input::Sorted),
        }
    }

    fn len(&self) -> usize {
        match self {
            Input::Sorted(set) => set.view().len(),
            Input::Plain(set) => set.view().len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Input::Sorted(set) => set.view().score(member),
            Input::Plain(set) => set.view().contains(member).then_some(1.0),
        }
    }

    fn entries(&self) -> Entries<'_> {
        match self {
            Input::Sorted(set) => {
                let view: SortedSet<'_> = set.view();
                let entries = view.entries(0..view.len(), false).into_iter();
                entries.map(|(member, score)| (Cow::Borrowed(member), score)).collect()
            }
            Input::Plain(set) => {
                set.view().members().into_iter().map(|member| (member, 1.0)).collect()
            }
        }
    }
}

fn answer(ctx: &mut Context<'_>, rule: Rule, name: &str) -> Outcome {
    let args = ctx.args;
    let keys = keys(args, false, name)?;
    at_one_cut(ctx, |ctx| {
        let (mut data, out) = ctx.parts();
        // As in Redis, a key of another type is found before an option that is wrong.
        let inputs = inputs(&mut data, args, keys.clone())?;
        let request = Request::parse(args, keys, rule, false)?;
        let inputs = request.weigh(inputs, rule);
        let mut entries = request.combine(rule, &inputs);
        if rule == Rule::CountCommon {
            out.integer(entries.len() as i64);
            return Ok(());
        }
        let by_score = |a: &(Cow<'_, [u8]>, f64), b: &(Cow<'_, [u8]>, f64)| {
            a.1.partial_cmp(&b.1).unwrap_or(std::cmp::Ordering::Equal).then_with(|| a.0.cmp(&b.0))
        };
        entries.sort_by(by_score);
        begin_entries(out, entries.len(), request.with_scores);
        for (member, score) in &entries {
            write_entry(out, member, *score, request.with_scores);
        }
        Ok(())
    })
}

fn store(ctx: &mut Context<'_>, rule: Rule, name: &'static str) -> Outcome {
    let args = ctx.args;
    let limits = SortedSetLimits::of(&ctx.env.settings);
    let keys = keys(args, true, name)?;
    atomically(ctx, |ctx| {
        let (mut data, out) = ctx.parts();
        let inputs = inputs(&mut data, args, keys.clone())?;
        let request = Request::parse(args, keys.clone(), rule, true)?;
        let inputs = request.weigh(inputs, rule);
        let mut result = SortedSetEdit::new();
        let entries = request.combine(rule, &inputs);
        result.expect(entries.len(), 0, limits);
        for (member, score) in &entries {
            result.set(*score, member, limits);
        }
        let was_there = data.update(args.at(1), |entry, draft| {
            if entry.is_some() || !entries.is_empty() {
                result.put(draft, None);
            }
            entry.is_some()
        })?;
        data.notify_stored(class::ZSET, name, args.at(1), was_there, entries.is_empty());
        out.integer(entries.len() as i64);
        Ok(())
    })
}

pub(crate) fn zunion(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, Rule::Any, "zunion")
}

pub(crate) fn zinter(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, Rule::Common, "zinter")
}

pub(crate) fn zdiff(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, Rule::FirstOnly, "zdiff")
}

pub(crate) fn zintercard(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, Rule::CountCommon, "zintercard")
}

pub(crate) fn zunionstore(ctx: &mut Context<'_>) -> Outcome {
    store(ctx, Rule::Any, "zunionstore")
}

pub(crate) fn zinterstore(ctx: &mut Context<'_>) -> Outcome {
    store(ctx, Rule::Common, "zinterstore")
}

pub(crate) fn zdiffstore(ctx: &mut Context<'_>) -> Outcome {
    store(ctx, Rule::FirstOnly, "zdiffstore")
}

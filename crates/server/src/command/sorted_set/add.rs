//! ZADD, ZINCRBY, ZREM.

use crate::command::{CommandError, Context, Outcome, shrink};
use crate::event::class;
use crate::resp::Args;
use crate::value::{SortedSetEdit, SortedSetLimits, parse_score};

/// ZADD's options.
#[derive(Clone, Copy, Default)]
pub(crate) struct AddOptions {
    pub(crate) new_only: bool,
    pub(crate) present_only: bool,
    greater: bool,
    less: bool,
    pub(crate) count_changed: bool,
    increment: bool,
}

impl AddOptions {
    /// The options from argument 2 on, and where they end.
    fn of(args: Args<'_>) -> (Self, usize) {
        let mut options = AddOptions::default();
        let mut at = 2;
        while at < args.len() {
            match () {
                () if args.is(at, "NX") => options.new_only = true,
                () if args.is(at, "XX") => options.present_only = true,
                () if args.is(at, "GT") => options.greater = true,
                () if args.is(at, "LT") => options.less = true,
                () if args.is(at, "CH") => options.count_changed = true,
                () if args.is(at, "INCR") => options.increment = true,
                () => break,
            }
            at += 1;
        }
        (options, at)
    }

    fn check(self, pairs: usize) -> Result<(), CommandError> {
        let text = if self.new_only && self.present_only {
            "XX and NX options at the same time are not compatible"
        } else if (self.greater || self.less) && self.new_only || self.greater && self.less {
            "GT, LT, and/or NX options at the same time are not compatible"
        } else if self.increment && pairs > 1 {
            "INCR option supports a single increment-element pair"
        } else {
            return Ok(());
        };
        Err(CommandError::other(text))
    }

    /// The score that a member gets, if it gets another or its first.
    fn next(self, present: Option<f64>, score: f64) -> Result<Option<f64>, CommandError> {
        let Some(present) = present else { return Ok((!self.present_only).then_some(score)) };
        if self.new_only {
            return Ok(None);
        }
        let score = if self.increment { present + score } else { score };
        if score.is_nan() {
            return Err(CommandError::other("resulting score is not a number (NaN)"));
        }
        let refused = self.less && score >= present || self.greater && score <= present;
        Ok((!refused).then_some(score))
    }
}

/// What ZADD did.
#[derive(Default)]
pub(crate) struct Done {
    added: i64,
    updated: i64,
    /// The score of the last member that was let in.
    score: Option<f64>,
}

impl Done {
    /// What is answered.
    pub(crate) fn count(&self, options: AddOptions) -> i64 {
        self.added + if options.count_changed { self.updated } else { 0 }
    }
}

pub(crate) fn zadd(ctx: &mut Context<'_>) -> Outcome {
    let (options, first) = AddOptions::of(ctx.args);
    let pairs = pairs(ctx.args, first, options)?;
    let done = set_scores(ctx, options, &pairs)?;
    if !options.increment {
        ctx.out.integer(done.count(options));
        return Ok(());
    }
    match done.score {
        Some(score) => ctx.out.double(score),
        None => ctx.out.null(),
    }
    Ok(())
}

pub(crate) fn zincrby(ctx: &mut Context<'_>) -> Outcome {
    let options = AddOptions { increment: true, ..AddOptions::default() };
    let pairs = pairs(ctx.args, 2, options)?;
    let done = set_scores(ctx, options, &pairs)?;
    match done.score {
        Some(score) => ctx.out.double(score),
        None => ctx.out.null(),
    }
    Ok(())
}

/// The scores, each with its member, from argument `first` on.
fn pairs(
    args: Args<'_>,
    first: usize,
    options: AddOptions,
) -> Result<Vec<(f64, &[u8])>, CommandError> {
    let count = args.len() - first;
    if count == 0 || !count.is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    options.check(count / 2)?;
    let pairs = (first..args.len()).step_by(2);
    pairs
        .map(|at| match parse_score(args.at(at)) {
            Ok(score) => Ok((score, args.at(at + 1))),
            Err(_) => Err(CommandError::NotAFloat),
        })
        .collect()
}

/// Sets the scores of members of the key at argument 1.
pub(crate) fn set_scores(
    ctx: &mut Context<'_>,
    options: AddOptions,
    pairs: &[(f64, &[u8])],
) -> Result<Done, CommandError> {
    let args = ctx.args;
    let limits = SortedSetLimits::of(&ctx.env.settings);
    if pairs.is_empty() {
        return Err(CommandError::Syntax);
    }
    let longest = pairs.iter().map(|(_, member)| member.len()).max().unwrap_or(0);
    let mut data = ctx.data();
    let done = data.update(args.at(1), |entry, draft| {
        let mut done = Done::default();
        let mut edit = SortedSetEdit::of(entry)?;
        edit.expect(pairs.len(), longest, limits);
        for (score, member) in pairs {
            let present = edit.view().score(member);
            let Some(score) = options.next(present, *score)? else { continue };
            done.score = Some(score);
            if present == Some(score) {
                continue;
            }
            edit.set(score, member, limits);
            match present {
                Some(_) => done.updated += 1,
                None => done.added += 1,
            }
        }
        if done.added + done.updated > 0 {
            edit.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
        }
        Ok::<_, CommandError>(done)
    })??;
    if done.added + done.updated > 0 {
        let name = if options.increment { "zincr" } else { "zadd" };
        data.notify(class::ZSET, name, args.at(1));
    }
    Ok(done)
}

pub(crate) fn zrem(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    shrink(ctx, (class::ZSET, "zrem"), |entry, draft| {
        let mut edit = SortedSetEdit::of(Some(entry))?;
        let removed = args.iter_from(2).map(|member| i64::from(edit.remove(member))).sum();
        let is_gone = edit.view().len() == 0;
        if removed > 0 {
            edit.put(draft, entry.expire_at_ms());
        }
        Ok((removed, is_gone))
    })
}

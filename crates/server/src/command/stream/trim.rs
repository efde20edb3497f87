//! XTRIM, XDEL, XSETID, and the options that XADD shares with XTRIM.

use super::change;
use crate::command::{CommandError, Context, Outcome, Patience};
use crate::event::class;
use crate::resp::{Args, strict_integer};
use crate::value::{Keep, Stream, StreamId};

/// What is to be trimmed.
#[derive(Clone, Copy)]
pub(super) struct Trim {
    keep: Keep,
    whole_nodes: bool,
    /// Most entries removed; 0: any number.
    limit: u64,
}

impl Trim {
    /// Trims; how many entries went.
    ///
    /// # Errors
    /// There are too many of them to be removed here.
    pub(super) fn run(&self, stream: &mut Stream, patience: Patience) -> Result<u64, CommandError> {
        patience.bear(self.most(stream, patience.enough()).saturating_mul(REMOVAL_STEPS))?;
        Ok(stream.trim(self.keep, self.whole_nodes, self.limit))
    }

    /// So many entries go at most; from `enough` on they need not be counted.
    fn most(&self, stream: &Stream, enough: usize) -> usize {
        let most = match self.keep {
            Keep::Length(length) => stream.len().saturating_sub(length),
            Keep::From(id) => {
                let last = id.previous().unwrap_or(StreamId::ZERO);
                stream.range(StreamId::ZERO, last).take(enough).count() as u64
            }
        };
        if self.limit > 0 { most.min(self.limit) as usize } else { most as usize }
    }
}

/// Steps of patience that it takes to remove an entry.
const REMOVAL_STEPS: usize = 4;

/// XADD's and XTRIM's options.
pub(super) struct Options {
    pub(super) trim: Option<Trim>,
    pub(super) only_if_there: bool,
    /// The argument behind them.
    pub(super) next: usize,
}

/// Nodes' worth of entries that `~` removes at a time, unless LIMIT says otherwise, and the most that may be.
const NODES_AT_A_TIME: u64 = 100;
const MOST_AT_A_TIME: u64 = 1_000_000;

impl Options {
    /// Of the arguments from 2 on; `adds`: XADD's, which end where an id begins.
    pub(super) fn of(ctx: &Context<'_>, adds: bool) -> Result<Self, CommandError> {
        let args = ctx.args;
        let (mut trim, mut limit) = (None, None);
        let mut options = Options { trim: None, only_if_there: false, next: 2 };
        while options.next < args.len() {
            let at = options.next;
            let has_more = at + 1 < args.len();
            if adds && args.at(at) == b"*" {
                break;
            }
            if (args.is(at, "MAXLEN") || args.is(at, "MINID")) && has_more {
                if trim.is_some() {
                    return Err(CommandError::other(
                        "syntax error, MAXLEN and MINID options at the same time are not compatible",
                    ));
                }
                let (keep, whole_nodes, next) = strategy(args, at)?;
                trim = Some((keep, whole_nodes));
                options.next = next;
            } else if args.is(at, "LIMIT") && has_more {
                limit = Some(size(args.at(at + 1), "LIMIT")?);
                options.next = at + 2;
            } else if adds && args.is(at, "NOMKSTREAM") {
                options.only_if_there = true;
                options.next = at + 1;
            } else if adds {
                // What begins here is an id, or it is wrong before anything else is.
                if StreamId::parse_open(args.at(at)).is_none() {
                    StreamId::parse(args.at(at), 0)?;
                }
                break;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if limit.is_some_and(|limit| limit > 0) && trim.is_none() {
            return Err(CommandError::other(
                "syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if !adds && trim.is_none() {
            return Err(CommandError::other(
                "syntax error, XTRIM must be called with a trimming strategy",
            ));
        }
        if limit.is_some() && trim.is_none_or(|(_, whole_nodes)| !whole_nodes) {
            return Err(CommandError::other(
                "syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        let by_nodes = NODES_AT_A_TIME * ctx.env.settings.stream_node_max_entries;
        let by_nodes = if by_nodes == 0 { 10_000 } else { by_nodes.min(MOST_AT_A_TIME) };
        options.trim = trim.map(|(keep, whole_nodes)| Trim {
            keep,
            whole_nodes,
            limit: limit.unwrap_or(if whole_nodes { by_nodes } else { 0 }),
        });
        Ok(options)
    }
}

/// `MAXLEN [=|~] length` or `MINID [=|~] id` at argument `at`; and the argument behind it.
fn strategy(args: Args<'_>, at: usize) -> Result<(Keep, bool, usize), CommandError> {
    let has_two = at + 2 < args.len();
    let sign = args.at(at + 1);
    let signed = has_two && (sign == b"~" || sign == b"=");
    let value_at = if signed { at + 2 } else { at + 1 };
    let keep = match args.is(at, "MAXLEN") {
        true => Keep::Length(size(args.at(value_at), "MAXLEN")?),
        false => Keep::From(StreamId::parse(args.at(value_at), 0)?),
    };
    Ok((keep, signed && sign == b"~", value_at + 1))
}

fn size(text: &[u8], name: &str) -> Result<u64, CommandError> {
    let number = strict_integer(text).ok_or(CommandError::NotAnInteger)?;
    u64::try_from(number)
        .map_err(|_| CommandError::other(format!("The {name} argument must be >= 0.")))
}

pub(crate) fn xtrim(ctx: &mut Context<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let (options, patience) = (Options::of(ctx, false)?, ctx.patience());
    let removed = change(ctx, key, |stream| {
        let removed = options.trim.map_or(Ok(0), |trim| trim.run(stream, patience))?;
        Ok((removed > 0).then_some(removed))
    })?;
    if removed.is_some() {
        ctx.notify(class::STREAM, "xtrim", key);
    }
    ctx.out.integer(removed.unwrap_or(0) as i64);
    Ok(())
}

pub(crate) fn xdel(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let mut ids = Vec::new();
    let parsed: Result<Vec<_>, _> =
        args.iter_from(2).map(|text| StreamId::parse(text, 0)).collect();
    let mut wrong = None;
    // As in Redis, a key that is not there has no ids to be wrong.
    let removed = change(ctx, args.at(1), |stream| {
        match &parsed {
            Ok(parsed) => ids.clone_from(parsed),
            Err(error) => {
                wrong = Some(error.clone());
                return Ok(None);
            }
        }
        let removed = ids.iter().filter(|id| stream.delete(**id)).count();
        Ok((removed > 0).then_some(removed))
    })?;
    if let Some(error) = wrong {
        return Err(error);
    }
    if removed.is_some() {
        ctx.notify(class::STREAM, "xdel", args.at(1));
    }
    ctx.out.integer(removed.unwrap_or(0) as i64);
    Ok(())
}

/// XSETID's arguments.
struct LastId {
    id: StreamId,
    added: Option<u64>,
    max_deleted: StreamId,
}

impl LastId {
    fn of(args: Args<'_>) -> Result<Self, CommandError> {
        let mut last = LastId {
            id: StreamId::parse(args.at(2), 0)?,
            added: None,
            max_deleted: StreamId::ZERO,
        };
        for at in (3..args.len()).step_by(2) {
            let value = args.get(at + 1).ok_or(CommandError::Syntax)?;
            if args.is(at, "ENTRIESADDED") {
                let number = strict_integer(value).ok_or(CommandError::NotAnInteger)?;
                let added = u64::try_from(number)
                    .map_err(|_| CommandError::other("entries_added must be positive"))?;
                last.added = Some(added);
            } else if args.is(at, "MAXDELETEDID") {
                last.max_deleted = StreamId::parse(value, 0)?;
                if last.id < last.max_deleted {
                    return Err(smaller_than("provided max_deleted_entry_id"));
                }
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(last)
    }
}

fn smaller_than(what: &str) -> CommandError {
    CommandError::other(format!("The ID specified in XSETID is smaller than the {what}"))
}

pub(crate) fn xsetid(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let last = LastId::of(args)?;
    let done = change(ctx, args.at(1), |stream| {
        if stream.len() > 0 && last.id < stream.top_id() {
            return Err(smaller_than("target stream top item"));
        }
        if last.added.is_some_and(|added| stream.len() > added) {
            return Err(CommandError::other(
                "The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
        if last.id < stream.max_deleted_id {
            return Err(CommandError::other(
                "The ID specified in XSETID is smaller than current max_deleted_entry_id",
            ));
        }
        stream.last_id = last.id;
        stream.added = last.added.unwrap_or(stream.added);
        if last.max_deleted != StreamId::ZERO {
            stream.max_deleted_id = last.max_deleted;
        }
        Ok(Some(()))
    })?;
    done.ok_or(CommandError::NoSuchKey)?;
    ctx.notify(class::STREAM, "xsetid", args.at(1));
    ctx.out.ok();
    Ok(())
}

//! XREAD, XREADGROUP.
//!
//! Both read several streams at one moment: as one cut, or, since a group remembers what it was given, as one transaction.

use super::{DELIVERY_STEPS, count_between, lacks_consumer, no_group, notify_consumer};
use crate::blocking::{Awaited, Nothing, Wish, answer_or_wait};
use crate::command::rows::{Display, Held, Shown};
use crate::command::{CommandError, Context, Outcome, Patience};
use crate::data::{at_one_cut, atomically};
use crate::resp::{Args, Protocol, Reply, strict_integer};
use crate::value::{Group, Stream, StreamId};
use std::ops::Bound;

/// What XREAD and XREADGROUP ask for.
struct Asked<'a> {
    /// Group and consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    keeps_no_pending: bool,
    count: usize,
    /// Milliseconds; `None`: do not wait.
    block_ms: Option<u64>,
    keys: Vec<&'a [u8]>,
    ids_at: usize,
}

/// From where on a stream is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// What is above this id.
    Above(StreamId),
    /// `>`: what the group has not been given.
    New,
}

impl<'a> Asked<'a> {
    fn of(args: Args<'a>, is_group: bool) -> Result<Self, CommandError> {
        let mut asked = Asked {
            group: None,
            keeps_no_pending: false,
            count: 0,
            block_ms: None,
            keys: Vec::new(),
            ids_at: 0,
        };
        let only_groups = |option: &str| {
            CommandError::other(format!(
                "The {option} option is only supported by XREADGROUP. You called XREAD instead."
            ))
        };
        let mut at = 1;
        while at < args.len() {
            let more = args.len() - at - 1;
            if args.is(at, "BLOCK") && more > 0 {
                asked.block_ms = Some(block_ms(args.at(at + 1))?);
                at += 2;
            } else if args.is(at, "COUNT") && more > 0 {
                let count = strict_integer(args.at(at + 1)).ok_or(CommandError::NotAnInteger)?;
                asked.count = count.max(0) as usize;
                at += 2;
            } else if args.is(at, "STREAMS") && more > 0 {
                if !more.is_multiple_of(2) {
                    return Err(unbalanced(is_group));
                }
                asked.keys = args.iter_from(at + 1).take(more / 2).collect();
                asked.ids_at = at + 1 + more / 2;
                break;
            } else if args.is(at, "GROUP") && more >= 2 {
                if !is_group {
                    return Err(only_groups("GROUP"));
                }
                asked.group = Some((args.at(at + 1), args.at(at + 2)));
                at += 3;
            } else if args.is(at, "NOACK") {
                if !is_group {
                    return Err(only_groups("NOACK"));
                }
                asked.keeps_no_pending = true;
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        match () {
            () if asked.ids_at == 0 => Err(CommandError::Syntax),
            () if is_group && asked.group.is_none() => {
                Err(CommandError::other("Missing GROUP option for XREADGROUP"))
            }
            () => Ok(asked),
        }
    }

    /// Most entries of one stream.
    fn most(&self) -> usize {
        if self.count == 0 { usize::MAX } else { self.count }
    }
}

fn block_ms(text: &[u8]) -> Result<u64, CommandError> {
    let ms = strict_integer(text)
        .ok_or_else(|| CommandError::other("timeout is not an integer or out of range"))?;
    u64::try_from(ms).map_err(|_| CommandError::other("timeout is negative"))
}

fn unbalanced(is_group: bool) -> CommandError {
    let (name, symbol) = if is_group { ("xreadgroup", '>') } else { ("xread", '$') };
    CommandError::other(format!(
        "Unbalanced '{name}' list of streams: for each stream key an ID or '{symbol}' must be specified."
    ))
}

/// Waits for one of the streams, if the request says so; else answers a null array.
fn answer(
    ctx: &mut Context<'_>,
    asked: &Asked<'_>,
    request: Option<Vec<Vec<u8>>>,
    mut attempt: impl FnMut(&mut Context<'_>) -> Result<bool, CommandError>,
) -> Outcome {
    let Some(block_ms) = asked.block_ms else {
        if !attempt(ctx)? {
            ctx.out.null_array();
        }
        return Ok(());
    };
    let wish = Wish {
        keys: asked.keys.clone(),
        awaited: if asked.group.is_some() { Awaited::Anything } else { Awaited::Type("stream") },
        nothing: Nothing::NullArray,
        deadline_ms: (block_ms > 0).then(|| ctx.env.now_ms.saturating_add(block_ms)),
        request,
    };
    answer_or_wait(ctx, wish, attempt)
}

fn begin_streams(out: &mut Reply, count: usize) {
    match out.protocol() {
        Protocol::Resp2 => out.array(count),
        Protocol::Resp3 => out.map(count),
    }
}

fn begin_stream(out: &mut Reply, key: &[u8]) {
    if out.protocol() == Protocol::Resp2 {
        out.array(2);
    }
    out.bulk(key);
}

/// Entries that the reply has: so many from an id on.
struct Found<'a> {
    key: &'a [u8],
    stream: Held,
    first: StreamId,
    count: usize,
}

impl Found<'_> {
    /// Writes them, or has them written as they are sent.
    fn answer(&self, display: Display<'_>, out: &mut Reply) {
        begin_stream(out, self.key);
        out.array(self.count);
        let shown = Shown::Entries { first: self.first, last: StreamId::MAX, backward: false };
        display.show_held(&self.stream, shown, 0..self.count, out);
    }
}

/// The entries above `starts`, of all streams at one cut.
fn find<'a>(
    ctx: &mut Context<'_>,
    asked: &Asked<'a>,
    starts: &[StreamId],
) -> Result<Vec<Found<'a>>, CommandError> {
    let mut found = Vec::new();
    at_one_cut(ctx, |ctx| {
        for (key, start) in asked.keys.iter().zip(starts) {
            let Some(first) = start.next() else { continue };
            let (mut data, out) = ctx.parts();
            let display = data.display(out);
            data.read(key, |entry| {
                let Some(entry) = entry else { return Ok(()) };
                let count = count_between(display, entry, (first, StreamId::MAX), asked.most())?;
                if count > 0 {
                    let stream = display.hold(entry);
                    found.extend(stream.map(|stream| Found { key, stream, first, count }));
                }
                Ok::<_, CommandError>(())
            })??;
        }
        Ok(())
    })?;
    Ok(found)
}

pub(crate) fn xread(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let asked = Asked::of(args, false)?;
    let mut starts = Vec::new();
    // `$` means the end as it is now, also when the request is run again.
    at_one_cut(ctx, |ctx| {
        starts = plain_starts(ctx, &asked)?;
        Ok(())
    })?;
    let mut request: Vec<Vec<u8>> = args.iter_from(0).map(<[u8]>::to_vec).collect();
    for (number, start) in starts.iter().enumerate() {
        request[asked.ids_at + number] = start.to_string().into_bytes();
    }
    answer(ctx, &asked, Some(request), |ctx| {
        let found = find(ctx, &asked, &starts)?;
        if found.is_empty() {
            return Ok(false);
        }
        let (data, out) = ctx.parts();
        let display = data.display(out);
        begin_streams(out, found.len());
        found.iter().for_each(|found| found.answer(display, out));
        Ok(true)
    })
}

/// The ids that XREAD reads above.
fn plain_starts(ctx: &mut Context<'_>, asked: &Asked<'_>) -> Result<Vec<StreamId>, CommandError> {
    let args = ctx.args;
    let mut starts = Vec::new();
    for (number, key) in asked.keys.iter().enumerate() {
        let text = args.at(asked.ids_at + number);
        let (last, before_top) = ctx.data().read(key, |entry| {
            let stream = entry.map(Stream::of).transpose()?;
            let top = stream.map_or(StreamId::ZERO, Stream::top_id);
            let last = stream.map_or(StreamId::ZERO, |stream| stream.last_id);
            let before_top =
                if top == StreamId::ZERO { last } else { top.previous().unwrap_or(top) };
            Ok::<_, CommandError>((last, before_top))
        })??;
        starts.push(match text {
            b"$" => last,
            b"+" => before_top,
            b">" => {
                return Err(CommandError::other(
                    "The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
                ));
            }
            _ => StreamId::parse(text, 0)?,
        });
    }
    Ok(starts)
}

/// What a group's consumer gets of a stream.
enum Part<'a> {
    /// What it was given before, and has not acknowledged.
    Pending { key: &'a [u8], stream: Held, ids: Vec<StreamId> },
    /// What the group had not been given.
    New(Found<'a>),
}

pub(crate) fn xreadgroup(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let asked = Asked::of(args, true)?;
    let Some((group, consumer)) = asked.group else { return Err(CommandError::Syntax) };
    let attempt = |ctx: &mut Context<'_>| {
        let mut parts = Vec::new();
        atomically(ctx, |ctx| {
            parts.clear();
            let starts = group_starts(ctx, &asked, group)?;
            for (key, (from, held)) in asked.keys.iter().copied().zip(starts) {
                let reading = Reading {
                    consumer,
                    from,
                    most: asked.most(),
                    keeps_no_pending: asked.keeps_no_pending,
                    now_ms: ctx.env.now_ms,
                    notes_visit: ctx.session.may_wait,
                    patience: ctx.patience(),
                };
                parts.extend(read_for_group(ctx, key, group, &reading, held)?);
            }
            Ok(())
        })?;
        if parts.is_empty() {
            return Ok(false);
        }
        let (data, out) = ctx.parts();
        let display = data.display(out);
        begin_streams(out, parts.len());
        for part in parts {
            match part {
                Part::Pending { key, stream, ids } => {
                    begin_stream(out, key);
                    out.array(ids.len());
                    stream.answer_listed(ids, out);
                }
                Part::New(found) => found.answer(display, out),
            }
        }
        Ok(true)
    };
    answer(ctx, &asked, None, attempt)
}

/// Reads one stream, which is held as it was before, and notes it in the group.
fn read_for_group<'a>(
    ctx: &mut Context<'_>,
    key: &'a [u8],
    group: &[u8],
    reading: &Reading<'_>,
    held: Option<Held>,
) -> Result<Option<Part<'a>>, CommandError> {
    let (mut is_new, mut given) = (false, Given::Nothing);
    super::change(ctx, key, |stream| {
        is_new = lacks_consumer(stream, group, reading.consumer);
        let changed;
        (changed, given) = reading.run(group, stream)?;
        Ok(changed.then_some(()))
    })?;
    if is_new {
        notify_consumer(ctx, key);
    }
    // Who reads changes the group, not the entries.
    Ok(held.and_then(|stream| match given {
        Given::Nothing => None,
        Given::Pending(ids) => Some(Part::Pending { key, stream, ids }),
        Given::New { first, count } => Some(Part::New(Found { key, stream, first, count })),
    }))
}

/// From where on each stream is read for a group, which has to exist; and the stream.
fn group_starts(
    ctx: &mut Context<'_>,
    asked: &Asked<'_>,
    group: &[u8],
) -> Result<Vec<(From, Option<Held>)>, CommandError> {
    let args = ctx.args;
    let mut starts = Vec::new();
    for (number, key) in asked.keys.iter().enumerate() {
        let start = args.at(asked.ids_at + number);
        let (mut data, out) = ctx.parts();
        let display = data.display(out);
        let (there, held) = data.read(key, |entry| {
            let stream = entry.map(Stream::of).transpose()?;
            let there = stream.is_some_and(|stream| stream.groups.contains_key(group));
            let held = entry.and_then(|entry| display.hold(entry));
            Ok::<_, CommandError>((there, held))
        })??;
        if !there {
            return Err(no_group(key, group, " in XREADGROUP with GROUP option"));
        }
        let from = match start {
            b"$" => {
                return Err(CommandError::other(
                    "The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
                     specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
                ));
            }
            b">" => From::New,
            text => From::Above(StreamId::parse(text, 0)?),
        };
        starts.push((from, held));
    }
    Ok(starts)
}

/// One consumer's reading of one stream.
struct Reading<'a> {
    consumer: &'a [u8],
    from: From,
    most: usize,
    keeps_no_pending: bool,
    now_ms: u64,
    /// Whether that the consumer has come is noted even if there is nothing for it: not if it has been waiting since.
    notes_visit: bool,
    patience: Patience,
}

/// What there is for the consumer.
enum Given {
    Nothing,
    Pending(Vec<StreamId>),
    New { first: StreamId, count: usize },
}

impl Reading<'_> {
    /// Reads, and notes it in the group. Whether the stream has changed, and what is to be answered.
    fn run(&self, group: &[u8], stream: &mut Stream) -> Result<(bool, Given), CommandError> {
        // The group is changed beside the stream, whose entries it looks at meanwhile.
        let before = stream.clone();
        let Some(group) = stream.group_mut(group) else { return Ok((false, Given::Nothing)) };
        let changed = group.see(self.consumer, self.now_ms) || self.notes_visit;
        match self.from {
            From::Above(id) => Ok((true, Given::Pending(self.history(id, group, &before)?))),
            From::New => {
                let given = self.news(group, &before)?;
                Ok((changed || !matches!(given, Given::Nothing), given))
            }
        }
    }

    /// What the consumer was given above an id and has not acknowledged.
    fn history(
        &self,
        above: StreamId,
        group: &mut Group,
        stream: &Stream,
    ) -> Result<Vec<StreamId>, CommandError> {
        let Some(consumer) = group.consumers.get(self.consumer) else { return Ok(Vec::new()) };
        let pending = consumer.pending.range((Bound::Excluded(above), Bound::Unbounded)).copied();
        let ids: Vec<StreamId> = pending.take(self.most.min(self.patience.enough())).collect();
        self.patience.bear(ids.len() * DELIVERY_STEPS)?;
        for id in ids.iter().filter(|id| stream.get(**id).is_some()) {
            if let Some(pending) = group.pending.get_mut(id) {
                pending.delivered_ms = self.now_ms;
                pending.deliveries += 1;
            }
        }
        Ok(ids)
    }

    /// Gives the group what it has not been given yet.
    fn news(&self, group: &mut Group, stream: &Stream) -> Result<Given, CommandError> {
        let Some(start) = group.last_id.next() else { return Ok(Given::Nothing) };
        let most = self.most.min(self.patience.enough());
        let ids: Vec<StreamId> =
            stream.range(start, StreamId::MAX).take(most).map(|(id, _)| id).collect();
        let Some(&first) = ids.first() else { return Ok(Given::Nothing) };
        let count = ids.len();
        self.patience.bear(count * DELIVERY_STEPS)?;
        for id in ids {
            group.entries_read = match group.entries_read {
                Some(read) if !stream.may_have_gaps_from(id) => Some(read + 1),
                _ => stream.entries_up_to(id),
            };
            group.last_id = id;
            if !self.keeps_no_pending {
                group.deliver(id, self.consumer, self.now_ms, 1);
            }
        }
        group.note_active(self.consumer, self.now_ms);
        Ok(Given::New { first, count })
    }
}

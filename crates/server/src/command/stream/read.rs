//! XREAD, XREADGROUP.
//!
//! Both read several streams at one moment: as one cut, or, since a group remembers what it was given, as one transaction.

use super::{
    count_between, lacks_consumer, no_group, notify_consumer, write_entry, write_fields, write_id,
};
use crate::blocking::{Awaited, Nothing, Wish, answer_or_wait};
use crate::command::rows::{Held, Shown};
use crate::command::{CommandError, Context, Outcome};
use crate::data::{at_one_cut, atomically};
use crate::resp::{Args, Protocol, Reply, strict_integer};
use crate::value::{Group, Stream, StreamId};

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

/// Writes the header of the reply, and the streams' parts that `each` writes to a reply of their own.
struct Parts {
    out: Reply,
    count: usize,
}

impl Parts {
    fn new(out: &Reply) -> Self {
        let mut parts = Reply::default();
        parts.set_protocol(out.protocol());
        Parts { out: parts, count: 0 }
    }

    /// Begins a stream's part.
    fn begin(&mut self, key: &[u8]) {
        self.count += 1;
        begin_stream(&mut self.out, key);
    }

    /// Writes them all; whether there are any.
    fn finish(self, out: &mut Reply) -> bool {
        if self.count == 0 {
            return false;
        }
        begin_streams(out, self.count);
        out.raw(self.out.as_bytes());
        true
    }
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

/// Entries that XREAD answers with: so many from an id on.
struct Found<'a> {
    key: &'a [u8],
    stream: Held,
    first: StreamId,
    count: usize,
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
        for Found { key, stream, first, count } in &found {
            begin_stream(out, key);
            out.array(*count);
            let shown = Shown::Entries { first: *first, last: StreamId::MAX, backward: false };
            display.show_held(stream, shown, 0..*count, out);
        }
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

pub(crate) fn xreadgroup(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let asked = Asked::of(args, true)?;
    let Some((group, consumer)) = asked.group else { return Err(CommandError::Syntax) };
    let attempt = |ctx: &mut Context<'_>| {
        let mut answered = false;
        atomically(ctx, |ctx| {
            let starts = group_starts(ctx, &asked, group)?;
            let mut parts = Parts::new(ctx.out);
            for (key, from) in asked.keys.iter().zip(starts) {
                let now_ms = ctx.env.now_ms;
                let reading = Reading {
                    consumer,
                    from,
                    most: asked.most(),
                    keeps_no_pending: asked.keeps_no_pending,
                    now_ms,
                    notes_visit: ctx.session.may_wait,
                };
                let mut is_new = false;
                super::change(ctx, key, |stream| {
                    is_new = lacks_consumer(stream, group, consumer);
                    let changed = reading.run(key, group, stream, &mut parts);
                    Ok(changed.then_some(()))
                })?;
                if is_new {
                    notify_consumer(ctx, key);
                }
            }
            answered = parts.finish(ctx.out);
            Ok(())
        })?;
        Ok(answered)
    };
    answer(ctx, &asked, None, attempt)
}

/// From where on each stream is read for a group, which has to exist.
fn group_starts(
    ctx: &mut Context<'_>,
    asked: &Asked<'_>,
    group: &[u8],
) -> Result<Vec<From>, CommandError> {
    let args = ctx.args;
    let mut starts = Vec::new();
    for (number, key) in asked.keys.iter().enumerate() {
        let there = ctx.data().read(key, |entry| {
            let stream = entry.map(Stream::of).transpose()?;
            Ok::<_, CommandError>(stream.is_some_and(|stream| stream.groups.contains_key(group)))
        })??;
        if !there {
            return Err(no_group(key, group, " in XREADGROUP with GROUP option"));
        }
        starts.push(match args.at(asked.ids_at + number) {
            b"$" => {
                return Err(CommandError::other(
                    "The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
                     specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
                ));
            }
            b">" => From::New,
            text => From::Above(StreamId::parse(text, 0)?),
        });
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
}

impl Reading<'_> {
    /// Reads, notes it in the group, and writes the part of the reply. Whether the stream has changed.
    fn run(&self, key: &[u8], group: &[u8], stream: &mut Stream, parts: &mut Parts) -> bool {
        // The group is changed beside the stream, whose entries it looks at meanwhile.
        let before = stream.clone();
        let Some(group) = stream.group_mut(group) else { return false };
        let mut changed = group.see(self.consumer, self.now_ms) || self.notes_visit;
        match self.from {
            From::Above(id) => {
                parts.begin(key);
                self.history(id, group, &before, &mut parts.out);
                changed = true;
            }
            From::New => changed |= self.news(key, group, &before, parts),
        }
        changed
    }

    /// What the consumer was given above an id and has not acknowledged.
    fn history(&self, above: StreamId, group: &mut Group, stream: &Stream, out: &mut Reply) {
        let Some(consumer) = group.consumers.get(self.consumer) else { return out.array(0) };
        let pending = consumer.pending.iter().copied().filter(|id| *id > above);
        let ids: Vec<StreamId> = pending.take(self.most).collect();
        out.array(ids.len());
        for id in ids {
            out.array(2);
            write_id(out, id);
            let Some(entry) = stream.get(id) else {
                out.null_array();
                continue;
            };
            write_fields(out, entry);
            if let Some(pending) = group.pending.get_mut(&id) {
                pending.delivered_ms = self.now_ms;
                pending.deliveries += 1;
            }
        }
    }

    /// What the group has not been given yet; whether there is anything.
    fn news(&self, key: &[u8], group: &mut Group, stream: &Stream, parts: &mut Parts) -> bool {
        let Some(start) = group.last_id.next() else { return false };
        let entries: Vec<_> = stream.range(start, StreamId::MAX).take(self.most).collect();
        if entries.is_empty() {
            return false;
        }
        parts.begin(key);
        parts.out.array(entries.len());
        for (id, entry) in entries {
            group.entries_read = match group.entries_read {
                Some(read) if !stream.may_have_gaps_from(id) => Some(read + 1),
                _ => stream.entries_up_to(id),
            };
            group.last_id = id;
            write_entry(&mut parts.out, id, entry);
            if !self.keeps_no_pending {
                group.deliver(id, self.consumer, self.now_ms, 1);
            }
        }
        group.note_active(self.consumer, self.now_ms);
        true
    }
}

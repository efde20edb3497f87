//! Streams.

mod add;
mod claim;
mod group;
mod info;
mod pending;
mod range;
mod read;
mod trim;

use super::help::container;
use super::row::{Command, Group, Keys, flag::*};
use super::{CommandError, Context, Display};
use crate::data::Item;
use crate::event::class;
use crate::resp::{Encode, Reply};
use crate::value::{Stream, StreamEntry, StreamId};

const READ: u32 = READONLY;
const CHANGE: u32 = WRITE | DENYOOM;
const SECOND: Keys = Keys::at(2, 2, 1);

const fn row(
    name: &'static str,
    arity: i32,
    flags: u32,
    keys: Keys,
    handler: super::row::Handler,
) -> Command {
    Command::new(name, arity, flags, keys, Group::Stream, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("xadd", -5, CHANGE | FAST | QUICK, Keys::ONE, add::xadd)
        .doc("5.0.0", "Adds an entry to a stream."),
    row("xlen", 2, READ | FAST | QUICK, Keys::ONE, range::xlen)
        .doc("5.0.0", "Returns the number of entries of a stream."),
    row("xrange", -4, READ, Keys::ONE, range::xrange)
        .doc("5.0.0", "Returns the entries between two ids."),
    row("xrevrange", -4, READ, Keys::ONE, range::xrevrange)
        .doc("5.0.0", "Returns the entries between two ids, the last one first."),
    row("xdel", -3, WRITE | FAST, Keys::ONE, trim::xdel)
        .doc("5.0.0", "Removes entries from a stream."),
    row("xtrim", -4, WRITE, Keys::ONE, trim::xtrim)
        .doc("5.0.0", "Removes entries from the beginning of a stream."),
    row("xsetid", -3, CHANGE | FAST, Keys::ONE, trim::xsetid)
        .doc("5.0.0", "Sets the last id of a stream."),
    row("xread", -4, READ | BLOCKING | MOVABLEKEYS, Keys::behind("STREAMS"), read::xread)
        .doc("5.0.0", "Returns entries of streams with ids above the given ones; waits for them."),
    row(
        "xreadgroup",
        -7,
        WRITE | BLOCKING | MOVABLEKEYS,
        Keys::behind("STREAMS"),
        read::xreadgroup,
    )
    .doc("5.0.0", "Returns entries of streams to a reader of a group; waits for them."),
    row("xack", -4, WRITE | FAST, Keys::ONE, group::xack)
        .doc("5.0.0", "Acknowledges entries that a group has been given."),
    row("xpending", -3, READ, Keys::ONE, pending::xpending)
        .doc("5.0.0", "Returns what a group has been given and not acknowledged."),
    row("xclaim", -6, WRITE | FAST, Keys::ONE, claim::xclaim)
        .doc("5.0.0", "Gives pending entries to another reader of their group."),
    row("xautoclaim", -6, WRITE | FAST, Keys::ONE, claim::xautoclaim)
        .doc("6.2.0", "Gives entries that have been pending for long to another reader."),
    row("xgroup", -2, 0, Keys::NONE, container)
        .doc("5.0.0", "A container for consumer groups commands.")
        .with(XGROUP),
    row("xinfo", -2, 0, Keys::NONE, container)
        .doc("5.0.0", "A container for stream introspection commands.")
        .with(XINFO),
];

static XGROUP: &[Command] = &[
    row("xgroup|create", -5, CHANGE, SECOND, group::create).doc("5.0.0", "Creates a group."),
    row("xgroup|createconsumer", 5, CHANGE, SECOND, group::create_consumer)
        .doc("6.2.0", "Creates a reader of a group."),
    row("xgroup|delconsumer", 5, WRITE, SECOND, group::delete_consumer)
        .doc("5.0.0", "Removes a reader from a group."),
    row("xgroup|destroy", 4, WRITE, SECOND, group::destroy).doc("5.0.0", "Removes a group."),
    row("xgroup|help", 2, LOADING | STALE, Keys::NONE, group::group_help)
        .doc("5.0.0", "Returns helpful text about the different subcommands."),
    row("xgroup|setid", -5, WRITE, SECOND, group::set_id)
        .doc("5.0.0", "Sets the last id that a group has been given."),
];

static XINFO: &[Command] = &[
    row("xinfo|consumers", 4, READ, SECOND, info::consumers)
        .doc("5.0.0", "Returns the readers of a group."),
    row("xinfo|groups", 3, READ, SECOND, info::groups)
        .doc("5.0.0", "Returns the groups of a stream."),
    row("xinfo|help", 2, LOADING | STALE, Keys::NONE, info::info_help)
        .doc("5.0.0", "Returns helpful text about the different subcommands."),
    row("xinfo|stream", -3, READ, SECOND, info::stream).doc("5.0.0", "Describes a stream."),
];

/// Steps of [patience](super::Patience) that it takes to give an entry to a group's consumer: it enters two trees.
const DELIVERY_STEPS: usize = 8;

fn write_id(out: &mut impl Encode, id: StreamId) {
    out.bulk(id.to_string().as_bytes());
}

pub(super) fn write_entry(out: &mut impl Encode, id: StreamId, entry: &StreamEntry) {
    out.array(2);
    write_id(out, id);
    write_fields(out, entry);
}

/// As [`write_entry`], or an id whose entry is gone.
pub(super) fn write_listed(out: &mut impl Encode, id: StreamId, entry: Option<&StreamEntry>) {
    match entry {
        Some(entry) => write_entry(out, id, entry),
        None => {
            out.array(2);
            write_id(out, id);
            out.null_array();
        }
    }
}

fn write_fields(out: &mut impl Encode, entry: &StreamEntry) {
    out.array(entry.len());
    entry.parts().for_each(|part| out.bulk(part));
}

/// A bound of an interval of ids, `(` in front of it for one that is not included.
fn bound(text: &[u8], is_start: bool) -> Result<StreamId, CommandError> {
    let missing_seq = if is_start { 0 } else { u64::MAX };
    let Some(excluded) = text.strip_prefix(b"(").filter(|rest| !rest.is_empty()) else {
        return StreamId::parse_bound(text, missing_seq);
    };
    let id = StreamId::parse(excluded, missing_seq)?;
    let (id, name) = if is_start { (id.next(), "start") } else { (id.previous(), "end") };
    id.ok_or_else(|| CommandError::other(format!("invalid {name} ID for the interval")))
}

/// How many entries, `most` at most, of the stream `entry` there are between two ids: before their rows, and known without counting if it is all of them.
///
/// # Errors
/// Showing them, or counting them, is to be done elsewhere.
fn count_between(
    display: Display<'_>,
    entry: Item<'_>,
    (start, end): (StreamId, StreamId),
    most: usize,
) -> Result<usize, CommandError> {
    let stream = Stream::of(entry)?;
    if start <= stream.first_id() && stream.top_id() <= end {
        let all = most.min(stream.len() as usize);
        display.bear(entry, all)?;
        return Ok(all);
    }
    let patience = display.patience;
    let found = stream.range(start, end).take(most.min(patience.enough())).count();
    patience.bear(found)?;
    Ok(found)
}

/// Tells that a reader of a group has come into being.
fn notify_consumer(ctx: &mut Context<'_>, key: &[u8]) {
    ctx.notify(class::STREAM, "xgroup-createconsumer", key);
}

/// Whether the stream has a group that has not this reader.
fn lacks_consumer(stream: &Stream, group: &[u8], name: &[u8]) -> bool {
    stream.groups.get(group).is_some_and(|group| !group.consumers.contains_key(name))
}

/// Changes the stream at a key as `f` does, if there is one; if `f` fails, or says `None`, nothing is changed.
fn change<R>(
    ctx: &mut Context<'_>,
    key: &[u8],
    mut f: impl FnMut(&mut Stream) -> Result<Option<R>, CommandError>,
) -> Result<Option<R>, CommandError> {
    ctx.data().update(key, |entry, draft| {
        let Some(entry) = entry else { return Ok(None) };
        let mut stream = Stream::of(entry)?.clone();
        let result = f(&mut stream)?;
        if result.is_some() {
            stream.put(draft, entry.expire_at_ms());
        }
        Ok(result)
    })?
}

/// Shows the stream at a key, `None` if there is no such key, to `f`, which answers.
fn look(
    ctx: &mut Context<'_>,
    key: &[u8],
    f: impl FnOnce(Option<&Stream>, &mut Reply) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let (mut data, out) = ctx.parts();
    data.read(key, |entry| f(entry.map(Stream::of).transpose()?, out))?
}

fn no_group(key: &[u8], group: &[u8], tail: &str) -> CommandError {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    let text = format!("NOGROUP No such key '{key}' or consumer group '{group}'{tail}");
    CommandError::Coded(text.into())
}

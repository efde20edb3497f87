//! XINFO.

use super::group::no_such_group;
use super::{look, write_entry, write_id};
use crate::command::{CommandError, Context, Outcome, help};
use crate::resp::Reply;
use crate::value::{Consumer, Group, Stream, StreamId};

/// Entries, and pending ones, that XINFO STREAM FULL shows unless COUNT says otherwise.
const SHOWN: usize = 10;

fn number(out: &mut Reply, name: &str, value: u64) {
    out.bulk(name.as_bytes());
    out.integer(value as i64);
}

fn number_or_null(out: &mut Reply, name: &str, value: Option<u64>) {
    out.bulk(name.as_bytes());
    match value {
        Some(value) => out.integer(value as i64),
        None => out.null(),
    }
}

fn id(out: &mut Reply, name: &str, id: StreamId) {
    out.bulk(name.as_bytes());
    write_id(out, id);
}

/// How many entries the group has not been given; `None` if that cannot be told.
fn lag(stream: &Stream, group: &Group) -> Option<u64> {
    if stream.added == 0 {
        return Some(0);
    }
    let known = group.entries_read.filter(|_| !stream.may_have_gaps_from(group.last_id));
    let read = known.or_else(|| stream.entries_up_to(group.last_id))?;
    Some(stream.added.wrapping_sub(read))
}

/// Shows a stream that has to exist.
fn look_at(ctx: &mut Context<'_>, f: impl FnOnce(&Stream, &mut Reply) -> Outcome) -> Outcome {
    let key = ctx.args.at(2);
    look(ctx, key, |stream, out| f(stream.ok_or(CommandError::NoSuchKey)?, out))
}

pub(crate) fn stream(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let full = match args.len() {
        3 => None,
        4 if args.is(3, "FULL") => Some(SHOWN),
        6 if args.is(3, "FULL") && args.is(4, "COUNT") => Some(match ctx.integer(5)? {
            0 => usize::MAX,
            count if count < 0 => SHOWN,
            count => count as usize,
        }),
        _ => {
            return Err(CommandError::other(
                "unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
            ));
        }
    };
    let patience = ctx.patience();
    look_at(ctx, |stream, out| {
        patience.bear(full.map_or(0, |count| shown_of(stream, count)))?;
        out.map(if full.is_some() { 9 } else { 10 });
        head(stream, out);
        match full {
            Some(count) => in_full(stream, count, out),
            None => {
                number(out, "groups", stream.groups.size() as u64);
                out.bulk(b"first-entry");
                edge(stream.range(StreamId::ZERO, StreamId::MAX).next(), out);
                out.bulk(b"last-entry");
                edge(stream.range(StreamId::ZERO, StreamId::MAX).next_back(), out);
            }
        }
        Ok(())
    })
}

fn edge(entry: Option<(StreamId, &crate::value::StreamEntry)>, out: &mut Reply) {
    match entry {
        Some((id, entry)) => write_entry(out, id, entry),
        None => out.null(),
    }
}

/// Seven fields. Redis's radix tree is told as it would be: a key for each node of a hundred entries.
fn head(stream: &Stream, out: &mut Reply) {
    number(out, "length", stream.len());
    let keys = stream.len().div_ceil(100);
    number(out, "radix-tree-keys", keys);
    number(out, "radix-tree-nodes", keys + 1);
    id(out, "last-generated-id", stream.last_id);
    id(out, "max-deleted-entry-id", stream.max_deleted_id);
    number(out, "entries-added", stream.added);
    id(out, "recorded-first-entry-id", stream.first_id());
}

/// Entries and pending ones that XINFO STREAM FULL shows.
fn shown_of(stream: &Stream, count: usize) -> usize {
    let pending = |group: &Group| {
        let shown = |consumer: &Consumer| 1 + consumer.pending.size().min(count);
        1 + group.pending.size().min(count) + group.consumers.values().map(shown).sum::<usize>()
    };
    let groups = stream.groups.values().map(|group| pending(group)).sum::<usize>();
    groups + count.min(stream.len() as usize)
}

fn in_full(stream: &Stream, count: usize, out: &mut Reply) {
    let entries: Vec<_> = stream.range(StreamId::ZERO, StreamId::MAX).take(count).collect();
    out.bulk(b"entries");
    out.array(entries.len());
    entries.into_iter().for_each(|(id, entry)| write_entry(out, id, entry));
    out.bulk(b"groups");
    out.array(stream.groups.size());
    for (name, group) in stream.groups.iter() {
        out.map(7);
        out.bulk(b"name");
        out.bulk(name);
        id(out, "last-delivered-id", group.last_id);
        number_or_null(out, "entries-read", group.entries_read);
        number_or_null(out, "lag", lag(stream, group));
        number(out, "pel-count", group.pending.size() as u64);
        out.bulk(b"pending");
        out.array(group.pending.size().min(count));
        for (id, pending) in group.pending.iter().take(count) {
            out.array(4);
            write_id(out, *id);
            out.bulk(&pending.consumer);
            out.integer(pending.delivered_ms as i64);
            out.integer(pending.deliveries as i64);
        }
        consumers_in_full(group, count, out);
    }
}

fn consumers_in_full(group: &Group, count: usize, out: &mut Reply) {
    out.bulk(b"consumers");
    out.array(group.consumers.size());
    for consumer in group.consumers.values() {
        out.map(5);
        out.bulk(b"name");
        out.bulk(&consumer.name);
        number(out, "seen-time", consumer.seen_ms);
        out.bulk(b"active-time");
        out.integer(consumer.active_ms.map_or(-1, |ms| ms as i64));
        number(out, "pel-count", consumer.pending.size() as u64);
        out.bulk(b"pending");
        out.array(consumer.pending.size().min(count));
        for id in consumer.pending.iter().take(count) {
            out.array(3);
            write_id(out, *id);
            let pending = group.pending.get(id);
            out.integer(pending.map_or(0, |pending| pending.delivered_ms as i64));
            out.integer(pending.map_or(0, |pending| pending.deliveries as i64));
        }
    }
}

pub(crate) fn groups(ctx: &mut Context<'_>) -> Outcome {
    look_at(ctx, |stream, out| {
        out.array(stream.groups.size());
        for (name, group) in stream.groups.iter() {
            out.map(6);
            out.bulk(b"name");
            out.bulk(name);
            number(out, "consumers", group.consumers.size() as u64);
            number(out, "pending", group.pending.size() as u64);
            id(out, "last-delivered-id", group.last_id);
            number_or_null(out, "entries-read", group.entries_read);
            number_or_null(out, "lag", lag(stream, group));
        }
        Ok(())
    })
}

pub(crate) fn consumers(ctx: &mut Context<'_>) -> Outcome {
    let (key, name, now_ms) = (ctx.args.at(2), ctx.args.at(3), ctx.env.now_ms);
    look_at(ctx, |stream, out| {
        let group = stream.groups.get(name).ok_or_else(|| no_such_group(key, name))?;
        out.array(group.consumers.size());
        for consumer in group.consumers.values() {
            out.map(4);
            out.bulk(b"name");
            out.bulk(&consumer.name);
            number(out, "pending", consumer.pending.size() as u64);
            number(out, "idle", now_ms.saturating_sub(consumer.seen_ms));
            out.bulk(b"inactive");
            let inactive = consumer.active_ms.map(|ms| now_ms.saturating_sub(ms) as i64);
            out.integer(inactive.unwrap_or(-1));
        }
        Ok(())
    })
}

pub(crate) fn info_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "CONSUMERS <key> <groupname>",
        "    Show consumers of <groupname>.",
        "GROUPS <key>",
        "    Show the stream consumer groups.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    Show information about the stream.",
    ];
    help(ctx, "XINFO", &lines)
}

//! Parts of strings: APPEND, SETRANGE, GETRANGE.

use crate::command::rows::write_part;
use crate::command::{CommandError, Context, Outcome};
use crate::event::class;
use crate::value::{kind, put_string, string_of};
use std::ops::Range;

/// Refuses lengths above `proto-max-bulk-len`.
fn check_len(most: i64, len: usize) -> Outcome {
    match i64::try_from(len) {
        Ok(len) if len <= most => Ok(()),
        _ => Err(CommandError::other("string exceeds maximum allowed size (proto-max-bulk-len)")),
    }
}

pub(crate) fn append(ctx: &mut Context<'_>) -> Outcome {
    let (key, more) = (ctx.args.at(1), ctx.args.at(2));
    let most = ctx.env.settings.proto_max_bulk_len;
    let (mut data, out) = ctx.parts();
    let len = data.update_whole(key, |entry, draft| match entry {
        None => {
            put_string(draft, kind::STRING, &[more], None);
            Ok(more.len())
        }
        Some(entry) => {
            let bytes = string_of(entry)?;
            check_len(most, bytes.len() + more.len())?;
            put_string(draft, kind::RAW_STRING, &[bytes, more], entry.expire_at_ms());
            Ok(bytes.len() + more.len())
        }
    })??;
    data.notify(class::STRING, "append", key);
    out.integer(len as i64);
    Ok(())
}

pub(crate) fn setrange(ctx: &mut Context<'_>) -> Outcome {
    let (key, part) = (ctx.args.at(1), ctx.args.at(3));
    let Ok(offset) = usize::try_from(ctx.integer(2)?) else {
        return Err(CommandError::other("offset is out of range"));
    };
    let most = ctx.env.settings.proto_max_bulk_len;
    let (mut data, out) = ctx.parts();
    let len = data.update_whole(key, |entry, draft| {
        let bytes = entry.map_or(Ok(&[][..]), string_of)?;
        if part.is_empty() {
            return Ok(bytes.len());
        }
        check_len(most, offset.saturating_add(part.len()))?;
        let before = &bytes[..offset.min(bytes.len())];
        let padding = vec![0; offset - before.len()];
        let behind = bytes.get(offset + part.len()..).unwrap_or(&[]);
        let expire_at_ms = entry.and_then(|entry| entry.expire_at_ms());
        let parts = [before, &padding, part, behind];
        put_string(draft, kind::RAW_STRING, &parts, expire_at_ms);
        Ok(offset + part.len() + behind.len())
    })??;
    if !part.is_empty() {
        data.notify(class::STRING, "setrange", key);
    }
    out.integer(len as i64);
    Ok(())
}

pub(crate) fn getrange(ctx: &mut Context<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let (start, end) = (ctx.integer(2)?, ctx.integer(3)?);
    let (mut data, out) = ctx.parts();
    let disposal = data.disposal();
    data.read(key, |entry| {
        let Some(entry) = entry else {
            out.bulk(b"");
            return Ok(());
        };
        write_part(entry, slice(string_of(entry)?.len(), start, end), out, disposal)
    })?
}

/// Bytes `start` to `end` of so many, both inclusive, negative ones counted from the end.
fn slice(len: usize, start: i64, end: i64) -> Range<usize> {
    let len = len as i64;
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let from_end = |at: i64| if at < 0 { at.saturating_add(len).max(0) } else { at };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

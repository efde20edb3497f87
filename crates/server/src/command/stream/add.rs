//! XADD.

use super::trim::Options;
use super::write_id;
use crate::command::{CommandError, Context, Outcome};
use crate::event::class;
use crate::value::{NodeLimits, Stream, StreamId};

/// The id that an entry is to get.
#[derive(Clone, Copy)]
enum Wanted {
    /// `*`
    Any,
    /// `ms-*`
    In(u64),
    This(StreamId),
}

impl Wanted {
    fn of(text: &[u8]) -> Result<Self, CommandError> {
        if text == b"*" {
            return Ok(Wanted::Any);
        }
        if let Some(ms) = StreamId::parse_open(text) {
            return Ok(Wanted::In(ms));
        }
        Ok(Wanted::This(StreamId::parse(text, 0)?))
    }

    /// The id behind `last`, if there is one that fits.
    fn after(self, last: StreamId, now_ms: u64) -> Option<StreamId> {
        match self {
            Wanted::Any if now_ms > last.ms => Some(StreamId { ms: now_ms, seq: 0 }),
            Wanted::Any => last.next(),
            Wanted::In(ms) if ms == last.ms => last.next().filter(|next| next.ms == ms),
            Wanted::In(ms) => Some(StreamId { ms, seq: 0 }).filter(|id| *id > last),
            Wanted::This(id) => Some(id).filter(|id| *id > last),
        }
    }
}

pub(crate) fn xadd(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let options = Options::of(ctx, true)?;
    let wanted = match args.get(options.next) {
        Some(text) => Wanted::of(text)?,
        None => return Err(CommandError::Arity("xadd")),
    };
    let parts_at = options.next + 1;
    let parts = args.len().saturating_sub(parts_at);
    if parts < 2 || !parts.is_multiple_of(2) {
        return Err(CommandError::Arity("xadd"));
    }
    if matches!(wanted, Wanted::This(StreamId::ZERO)) {
        return Err(CommandError::other("The ID specified in XADD must be greater than 0-0"));
    }
    let limits = NodeLimits::of(&ctx.env.settings);
    let (mut data, out) = ctx.parts();
    let (now_ms, patience) = (data.now_ms(), data.patience);
    let mut trimmed = 0;
    let id = data.update(args.at(1), |entry, draft| {
        if entry.is_none() && options.only_if_there {
            return Ok(None);
        }
        let mut stream = match entry {
            Some(entry) => Stream::of(entry)?.clone(),
            None => Stream::new(),
        };
        if stream.last_id == StreamId::MAX {
            return Err(CommandError::other(
                "The stream has exhausted the last possible ID, unable to add more items",
            ));
        }
        let id = wanted.after(stream.last_id, now_ms).ok_or_else(|| {
            CommandError::other(
                "The ID specified in XADD is equal or smaller than the target stream top item",
            )
        })?;
        stream.append(id, args.iter_from(parts_at), limits);
        if let Some(trim) = options.trim {
            trimmed = trim.run(&mut stream, patience)?;
        }
        stream.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
        Ok(Some(id))
    })??;
    if id.is_some() {
        data.notify(class::STREAM, "xadd", args.at(1));
    }
    if trimmed > 0 {
        data.notify(class::STREAM, "xtrim", args.at(1));
    }
    match id {
        Some(id) => write_id(out, id),
        None => out.null(),
    }
    Ok(())
}

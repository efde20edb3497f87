//! XCLAIM, XAUTOCLAIM: pending entries change hands.

use super::{
    DELIVERY_STEPS, bound, change, lacks_consumer, no_group, notify_consumer, write_entry, write_id,
};
use crate::command::{CommandError, Context, Outcome, Patience};
use crate::resp::{Args, Reply, strict_integer};
use crate::value::{Group, Stream, StreamId};

/// Entries that XAUTOCLAIM looks at for each that it may return.
const ATTEMPTS_FACTOR: usize = 10;

/// XCLAIM's arguments.
struct Claim {
    min_idle_ms: u64,
    ids: Vec<StreamId>,
    force: bool,
    only_ids: bool,
    delivered_ms: u64,
    deliveries: Option<u64>,
    last_id: StreamId,
}

fn min_idle(text: &[u8], name: &str) -> Result<u64, CommandError> {
    let ms = strict_integer(text)
        .ok_or_else(|| CommandError::other(format!("Invalid min-idle-time argument for {name}")))?;
    Ok(ms.max(0) as u64)
}

impl Claim {
    fn of(args: Args<'_>, now_ms: u64) -> Result<Self, CommandError> {
        let min_idle_ms = min_idle(args.at(4), "XCLAIM")?;
        let ids: Vec<StreamId> =
            args.iter_from(5).map_while(|text| StreamId::parse(text, 0).ok()).collect();
        let mut at = 5 + ids.len();
        let mut claim = Claim {
            min_idle_ms,
            ids,
            force: false,
            only_ids: false,
            delivered_ms: now_ms,
            deliveries: None,
            last_id: StreamId::ZERO,
        };
        let sane = |ms: i64| u64::try_from(ms).ok().filter(|ms| *ms <= now_ms).unwrap_or(now_ms);
        while at < args.len() {
            let value = args.get(at + 1);
            let number = |name: &str| {
                strict_integer(value.unwrap_or_default()).ok_or_else(|| {
                    CommandError::other(format!("Invalid {name} option argument for XCLAIM"))
                })
            };
            match () {
                () if args.is(at, "FORCE") => claim.force = true,
                () if args.is(at, "JUSTID") => claim.only_ids = true,
                () if value.is_none() => return Err(unknown_option(args.at(at))),
                () if args.is(at, "IDLE") => {
                    claim.delivered_ms = sane((now_ms as i64).saturating_sub(number("IDLE")?));
                }
                () if args.is(at, "TIME") => claim.delivered_ms = sane(number("TIME")?),
                () if args.is(at, "RETRYCOUNT") => {
                    claim.deliveries = u64::try_from(number("RETRYCOUNT")?).ok();
                }
                () if args.is(at, "LASTID") => {
                    claim.last_id = StreamId::parse(value.unwrap_or_default(), 0)?;
                }
                () => return Err(unknown_option(args.at(at))),
            }
            at += if args.is(at, "FORCE") || args.is(at, "JUSTID") { 1 } else { 2 };
        }
        Ok(claim)
    }

    /// Gives the entries to the consumer and writes them.
    fn run(&self, stream: &Stream, group: &mut Group, name: &[u8], now_ms: u64, out: &mut Reply) {
        group.last_id = group.last_id.max(self.last_id);
        group.see(name, now_ms);
        let mut claimed = Vec::new();
        for &id in &self.ids {
            if stream.get(id).is_none() {
                group.acknowledge(id);
                continue;
            }
            let deliveries = match group.pending.get(&id) {
                Some(pending) => {
                    let idle_ms = now_ms.saturating_sub(pending.delivered_ms);
                    if self.min_idle_ms > 0 && idle_ms < self.min_idle_ms {
                        continue;
                    }
                    pending.deliveries
                }
                None if self.force => 1,
                None => continue,
            };
            let more = u64::from(!self.only_ids);
            let deliveries = self.deliveries.unwrap_or(deliveries + more);
            group.deliver(id, name, self.delivered_ms, deliveries);
            group.note_active(name, now_ms);
            claimed.push(id);
        }
        write_claimed(stream, &claimed, self.only_ids, out);
    }
}

fn unknown_option(word: &[u8]) -> CommandError {
    CommandError::other(format!("Unrecognized XCLAIM option '{}'", String::from_utf8_lossy(word)))
}

fn write_claimed(stream: &Stream, ids: &[StreamId], only_ids: bool, out: &mut Reply) {
    out.array(ids.len());
    for &id in ids {
        match stream.get(id) {
            Some(entry) if !only_ids => write_entry(out, id, entry),
            _ => write_id(out, id),
        }
    }
}

/// Refuses unless the key has the group: before anything else of the arguments is looked at.
fn demand_group(ctx: &mut Context<'_>) -> Outcome {
    let (key, name) = (ctx.args.at(1), ctx.args.at(2));
    let there = ctx.data().read(key, |entry| {
        let stream = entry.map(Stream::of).transpose()?;
        Ok::<_, CommandError>(stream.is_some_and(|stream| stream.groups.contains_key(name)))
    })??;
    if there { Ok(()) } else { Err(no_group(key, name, "")) }
}

/// Changes the group that the arguments name; what `f` writes is the reply.
fn change_group(
    ctx: &mut Context<'_>,
    mut f: impl FnMut(&Stream, &mut Group, &mut Reply) -> Outcome,
) -> Outcome {
    let args = ctx.args;
    let mut reply = Reply::default();
    reply.set_protocol(ctx.out.protocol());
    let start = reply.mark();
    let mut is_new = false;
    let done = change(ctx, args.at(1), |stream| {
        reply.rewind(start);
        is_new = lacks_consumer(stream, args.at(2), args.at(3));
        let before = stream.clone();
        stream.group_mut(args.at(2)).map(|group| f(&before, group, &mut reply)).transpose()
    })?;
    done.ok_or_else(|| no_group(args.at(1), args.at(2), ""))?;
    if is_new {
        notify_consumer(ctx, args.at(1));
    }
    ctx.out.raw(reply.as_bytes());
    Ok(())
}

pub(crate) fn xclaim(ctx: &mut Context<'_>) -> Outcome {
    let (args, now_ms) = (ctx.args, ctx.env.now_ms);
    demand_group(ctx)?;
    let claim = Claim::of(args, now_ms)?;
    change_group(ctx, |stream, group, out| {
        claim.run(stream, group, args.at(3), now_ms, out);
        Ok(())
    })
}

/// XAUTOCLAIM's arguments.
struct AutoClaim {
    min_idle_ms: u64,
    start: StreamId,
    count: usize,
    only_ids: bool,
}

impl AutoClaim {
    fn of(args: Args<'_>) -> Result<Self, CommandError> {
        let min_idle_ms = min_idle(args.at(4), "XAUTOCLAIM")?;
        let start = bound(args.at(5), true)?;
        let mut claim = AutoClaim { min_idle_ms, start, count: 100, only_ids: false };
        let mut at = 6;
        while at < args.len() {
            if args.is(at, "COUNT") && at + 1 < args.len() {
                let count = strict_integer(args.at(at + 1));
                let count = count.filter(|count| (1..=i64::MAX / 16).contains(count));
                claim.count =
                    count.ok_or_else(|| CommandError::other("COUNT must be > 0"))? as usize;
                at += 2;
            } else if args.is(at, "JUSTID") {
                claim.only_ids = true;
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(claim)
    }

    fn run(
        &self,
        (stream, group): (&Stream, &mut Group),
        (name, now_ms): (&[u8], u64),
        patience: Patience,
        out: &mut Reply,
    ) -> Outcome {
        group.see(name, now_ms);
        let (mut claimed, mut deleted, mut next) = (Vec::new(), Vec::new(), StreamId::ZERO);
        let attempts = self.count.saturating_mul(ATTEMPTS_FACTOR).saturating_add(1);
        let pending: Vec<(StreamId, u64, u64)> = group
            .pending_in(self.start, StreamId::MAX)
            .take(attempts.min(patience.enough()))
            .map(|(id, pending)| (id, pending.delivered_ms, pending.deliveries))
            .collect();
        let claims = self.count.min(pending.len());
        patience.bear(pending.len() + claims * (DELIVERY_STEPS - 1))?;
        for (attempt, (id, delivered_ms, deliveries)) in pending.into_iter().enumerate() {
            if attempt == self.count.saturating_mul(ATTEMPTS_FACTOR)
                || claimed.len() + deleted.len() == self.count
            {
                next = id;
                break;
            }
            if stream.get(id).is_none() {
                group.acknowledge(id);
                deleted.push(id);
                continue;
            }
            if self.min_idle_ms > 0 && now_ms.saturating_sub(delivered_ms) < self.min_idle_ms {
                continue;
            }
            group.deliver(id, name, now_ms, deliveries + u64::from(!self.only_ids));
            group.note_active(name, now_ms);
            claimed.push(id);
        }
        out.array(3);
        write_id(out, next);
        write_claimed(stream, &claimed, self.only_ids, out);
        out.array(deleted.len());
        deleted.into_iter().for_each(|id| write_id(out, id));
        Ok(())
    }
}

pub(crate) fn xautoclaim(ctx: &mut Context<'_>) -> Outcome {
    let (args, now_ms) = (ctx.args, ctx.env.now_ms);
    let claim = AutoClaim::of(args)?;
    demand_group(ctx)?;
    let (by, patience) = ((args.at(3), now_ms), ctx.patience());
    change_group(ctx, |stream, group, out| claim.run((stream, group), by, patience, out))
}

//! [`Wish`]: what a blocking command waits for; [`answer_or_wait`]: how it does.

use super::registry::Table;
use super::serve::{Ready, serve_ready};
use super::waiter::Arriving;
use crate::command::{CommandError, Context, Outcome};
use crate::data::Item;
use crate::resp::{ArgRange, Args, Reply};
use crate::session::Queue;
use crate::value::{LongDouble, type_name};

/// What has to become of a key for a waiter to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// It holds a value of this type, by the name that TYPE gives it.
    Type(&'static str),
    /// It changes in any way, even if it goes: who reads as one of a stream's group is told then.
    Anything,
    /// No key at all, but replicas, of which there are none: only time ends that.
    Replicas,
}

impl Awaited {
    pub(super) fn is_there(self, entry: Option<Item<'_>>) -> bool {
        match self {
            Awaited::Type(name) => entry.is_some_and(|entry| type_name(entry) == name),
            Awaited::Anything => true,
            Awaited::Replicas => false,
        }
    }
}

/// The answer of one who may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nothing {
    Null,
    NullArray,
    /// No replicas.
    Zero,
    /// Nor a log.
    TwoZeros,
}

impl Nothing {
    pub(crate) fn write(self, out: &mut Reply) {
        match self {
            Nothing::Null => out.null(),
            Nothing::NullArray => out.null_array(),
            Nothing::Zero => out.integer(0),
            Nothing::TwoZeros => {
                out.array(2);
                out.integer(0);
                out.integer(0);
            }
        }
    }
}

/// What a blocking command waits for.
pub(crate) struct Wish<'a> {
    pub(crate) keys: Vec<&'a [u8]>,
    pub(crate) awaited: Awaited,
    /// Inside MULTI or a script, when there is nothing.
    pub(crate) nothing: Nothing,
    /// `None`: for ever.
    pub(crate) deadline_ms: Option<u64>,
    /// The request to run again, if it is not the one that was sent.
    pub(crate) request: Option<Vec<Vec<u8>>>,
}

/// Runs `attempt`, which answers and says so, or finds nothing; if it finds nothing, the client waits until it does.
///
/// The command is run again, from its handler on, when one of the keys has what it awaits; so `attempt` must not depend on anything but the arguments.
///
/// # Errors
/// What `attempt` says.
pub(crate) fn answer_or_wait(
    ctx: &mut Context<'_>,
    wish: Wish<'_>,
    mut attempt: impl FnMut(&mut Context<'_>) -> Result<bool, CommandError>,
) -> Outcome {
    let may_wait = ctx.session.may_wait && ctx.session.data.is_direct();
    let db = ctx.session.db;
    // Who comes later goes behind those who wait already.
    let queues_up = may_wait && ctx.env.server.blocking.has_line(db, wish.keys.iter().copied());
    if !queues_up && attempt(ctx)? {
        return Ok(());
    }
    if !may_wait {
        if ctx.session.may_wait {
            wish.nothing.write(ctx.out);
        }
        return Ok(());
    }
    wait(ctx, wish)
}

/// Enters the registry, and serves its keys' waiters, itself the last of them.
fn wait(ctx: &mut Context<'_>, wish: Wish<'_>) -> Outcome {
    let server = ctx.env.server.clone();
    let (db, registry) = (ctx.session.db, &server.blocking);
    let mut request = Queue::default();
    match &wish.request {
        None => request.push(ctx.id, ctx.args),
        Some(words) => push_words(&mut request, ctx, words),
    }
    let mut keys: Vec<Box<[u8]>> = wish.keys.iter().map(|key| (*key).into()).collect();
    keys.sort();
    keys.dedup();
    if wish.awaited == Awaited::Anything {
        server.removed.want();
    }
    let mut table = registry.lock();
    let arriving = Arriving {
        card: ctx.session.card.clone(),
        db,
        keys,
        awaited: wish.awaited,
        nothing: match wish.nothing {
            // Whatever the command's reply would have been.
            Nothing::Null => Nothing::NullArray,
            other => other,
        },
        request,
        protocol: ctx.out.protocol(),
        deadline_ms: wish.deadline_ms,
    };
    let waiter = registry.enter(&mut table, arriving);
    let own = own_keys(db, &wish, &table);
    serve_ready(registry, &mut table, own, ctx.env);
    drop(table);
    match waiter.take_reply() {
        Some(reply) => ctx.out.raw(&reply),
        None => ctx.session.waiter = Some(waiter),
    }
    Ok(())
}

fn own_keys(db: u8, wish: &Wish<'_>, table: &Table) -> Ready {
    let mut ready = Ready::default();
    wish.keys.iter().for_each(|key| ready.add(db, key, table));
    ready
}

fn push_words(request: &mut Queue, ctx: &Context<'_>, words: &[Vec<u8>]) {
    let mut start = 0;
    let range = |word: &Vec<u8>| {
        let range = ArgRange { start, len: word.len() as u32 };
        start += range.len;
        range
    };
    let ranges: Vec<ArgRange> = words.iter().map(range).collect();
    request.push(ctx.id, Args::new(&words.concat(), &ranges));
}

/// When a timeout of so many seconds, as a client writes it, is over; `None`: never.
///
/// # Errors
/// It is no number, negative, or too large.
pub(crate) fn deadline(text: &[u8], now_ms: u64) -> Result<Option<u64>, CommandError> {
    let seconds = LongDouble::parse(text).ok().filter(|seconds| seconds.is_finite());
    let seconds = seconds.and_then(|seconds| seconds.to_string().parse::<f64>().ok());
    let ms =
        seconds.ok_or_else(|| CommandError::other("timeout is not a float or out of range"))?;
    let ms = (ms * 1000.0).ceil();
    if ms >= i64::MAX as f64 - now_ms as f64 {
        return Err(CommandError::other("timeout is out of range"));
    }
    match ms {
        ms if ms < 0.0 => Err(CommandError::other("timeout is negative")),
        0.0 => Ok(None),
        ms => Ok(Some(now_ms + ms as u64)),
    }
}

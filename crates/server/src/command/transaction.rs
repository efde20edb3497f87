//! MULTI, EXEC, DISCARD, WATCH: several commands as one serialisable transaction.

use super::row::{Command, Group, Keys, flag::*};
use super::{BYTES_A_STEP, CommandError, Context, Outcome};
use crate::data::commit_queue;
use crate::session::{Mobility, Queue};

const HERE: u32 = NOSCRIPT | LOADING | STALE | FAST | NOT_QUEUED | ALLOW_BUSY;

const fn row(
    name: &'static str,
    arity: i32,
    flags: u32,
    keys: Keys,
    handler: super::row::Handler,
) -> Command {
    Command::new(name, arity, flags, keys, Group::Transactions, handler)
        .acl(super::row::acl::TRANSACTION)
}

pub(crate) static ROWS: &[Command] = &[
    row("multi", 1, HERE | NO_MULTI, Keys::NONE, multi).doc("1.2.0", "Starts a transaction."),
    row("exec", 1, NOSCRIPT | LOADING | STALE | NOT_QUEUED | SKIP_SLOWLOG, Keys::NONE, exec)
        .doc("1.2.0", "Executes all commands of a transaction."),
    row("discard", 1, HERE, Keys::NONE, discard).doc("2.0.0", "Discards a transaction."),
    row("watch", -2, HERE | NO_MULTI, Keys::ALL, watch)
        .doc("2.2.0", "Watches keys: if one changes, the transaction is not executed."),
    row("unwatch", 1, NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, Keys::NONE, unwatch)
        .doc("2.2.0", "Forgets about watched keys."),
];

fn multi(ctx: &mut Context<'_>) -> Outcome {
    ctx.session.queue = Some(Queue::default());
    ctx.session.queue_failed = false;
    ctx.out.ok();
    Ok(())
}

fn exec(ctx: &mut Context<'_>) -> Outcome {
    let queue =
        ctx.session.queue.take().ok_or_else(|| CommandError::other("EXEC without MULTI"))?;
    let watched = std::mem::take(&mut ctx.session.data.watched);
    if std::mem::take(&mut ctx.session.queue_failed) {
        return Err(CommandError::Coded(
            "EXECABORT Transaction discarded because of previous errors.".into(),
        ));
    }
    // What acts at once must not happen twice, here and then elsewhere.
    let steps = queue.len().max(queue.sent_bytes() / BYTES_A_STEP);
    let steps = if queue.acts_at_once() { usize::MAX } else { steps };
    let outcome = ctx.patience().bear(steps).and_then(|()| commit_queue(ctx, &queue, &watched));
    if outcome == Err(CommandError::Elsewhere) || ctx.session.mobility == Mobility::Moving {
        // It will be asked for again, elsewhere.
        ctx.session.queue = Some(queue);
        ctx.session.data.watched = watched;
    }
    outcome
}

fn discard(ctx: &mut Context<'_>) -> Outcome {
    if ctx.session.queue.is_none() {
        return Err(CommandError::other("DISCARD without MULTI"));
    }
    ctx.session.abandon_queue();
    ctx.out.ok();
    Ok(())
}

fn watch(ctx: &mut Context<'_>) -> Outcome {
    let (args, db) = (ctx.args, ctx.session.db);
    for key in args.iter_from(1) {
        if !ctx.session.data.watched.has(db, key) {
            let stamp = ctx.data().present_stamp(key);
            ctx.session.data.watched.add(db, key, stamp);
        }
    }
    ctx.out.ok();
    Ok(())
}

fn unwatch(ctx: &mut Context<'_>) -> Outcome {
    ctx.session.data.watched.clear();
    ctx.out.ok();
    Ok(())
}

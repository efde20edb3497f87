//! Several keys as one: transactions around commands, and one cut for commands that read several keys.

use super::{Mode, Watches, refused};
use crate::acl::Scene;
use crate::command::{CommandError, CommandId, Context, Outcome, by_id, flag};
use crate::hold::Hold;
use crate::resp::Args;
use crate::session::{Mobility, Queue, rights, run, show};
use std::time::{Duration, Instant};
use stillpoint_primitive::scheduling;
use stillpoint_store::CommitError;

/// Conflicts after which a transaction asks for priority.
const PATIENCE: u32 = 3;
/// Conflicts, and the time since the first of them, after which it holds writers up.
const STUBBORN: u32 = 8;
const LONG: Duration = Duration::from_millis(500);

/// Runs a command that reads several keys at one cut.
pub(crate) fn at_one_cut(
    ctx: &mut Context<'_>,
    f: impl FnOnce(&mut Context<'_>) -> Outcome,
) -> Outcome {
    if !ctx.session.data.is_direct() {
        return f(ctx);
    }
    ctx.session.data.mode = Mode::Cut(ctx.env.server.store.snapshot(ctx.env.now_ms));
    let outcome = f(ctx);
    ctx.session.data.mode = Mode::Direct;
    outcome
}

/// As [`at_one_cut`]; then removes which of the command's keys, arguments 1 to the last, are found expired.
pub(crate) fn read_keys(
    ctx: &mut Context<'_>,
    f: impl FnOnce(&mut Context<'_>) -> Outcome,
) -> Outcome {
    at_one_cut(ctx, f)?;
    if ctx.session.data.is_direct() {
        let args = ctx.args;
        let mut data = ctx.data();
        args.iter_from(1).for_each(|key| data.shed(key));
    }
    Ok(())
}

/// Runs a command that writes several keys as one transaction, again if others were faster. Nothing is written if it fails.
pub(crate) fn atomically(
    ctx: &mut Context<'_>,
    mut f: impl FnMut(&mut Context<'_>) -> Outcome,
) -> Outcome {
    if !ctx.session.data.is_direct() {
        return f(ctx);
    }
    let (mark, effects) = (ctx.out.mark(), ctx.session.data.effects.len());
    let mut contest = Contest::default();
    loop {
        contest.begin(ctx);
        let outcome = f(ctx);
        let committed = end(ctx, outcome.is_ok());
        if outcome.is_ok() && committed == Ok(true) {
            break;
        }
        ctx.session.data.effects.truncate(effects);
        outcome?;
        committed?;
        ctx.out.rewind(mark);
        contest.lose();
    }
    Ok(())
}

/// What is to become of a script's writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Commit,
    Discard,
}

/// Runs a script as one transaction, again if others were faster; `f` writes the reply, also that it failed.
pub(crate) fn as_transaction(
    ctx: &mut Context<'_>,
    mut f: impl FnMut(&mut Context<'_>) -> Ending,
) -> Outcome {
    if !ctx.session.data.is_direct() {
        f(ctx);
        return Ok(());
    }
    let (mark, effects) = (ctx.out.mark(), ctx.session.data.effects.len());
    let mut contest = Contest::default();
    loop {
        contest.begin(ctx);
        let ending = f(ctx);
        let committed = end(ctx, ending == Ending::Commit);
        if ending == Ending::Discard || committed != Ok(true) {
            ctx.session.data.effects.truncate(effects);
        }
        if committed? {
            break;
        }
        ctx.out.rewind(mark);
        contest.lose();
    }
    Ok(())
}

/// A transaction's attempts; each but the last lost to somebody else.
#[derive(Default)]
struct Contest {
    lost: u32,
    since: Option<Instant>,
    /// Until the end of it.
    hold: Option<Hold>,
}

impl Contest {
    fn begin(&mut self, ctx: &mut Context<'_>) {
        let is_long = self.since.is_some_and(|since| since.elapsed() >= LONG);
        if self.lost >= STUBBORN && is_long && self.hold.is_none() {
            self.hold = Some(Hold::new(&ctx.env.server));
        }
        let mut transaction = ctx.env.server.store.begin(ctx.env.now_ms);
        if self.lost >= PATIENCE {
            transaction.request_priority();
        }
        ctx.session.data.mode = Mode::Transaction(Box::new(transaction));
    }

    fn lose(&mut self) {
        self.lost += 1;
        self.since.get_or_insert_with(Instant::now);
    }
}

/// Ends the running transaction; `Ok(false)`: somebody else was faster.
fn end(ctx: &mut Context<'_>, commit: bool) -> Result<bool, CommandError> {
    match std::mem::take(&mut ctx.session.data.mode) {
        Mode::Transaction(transaction) if commit => match transaction.commit() {
            Ok(()) => Ok(true),
            Err(CommitError::Write(error)) => Err(refused(error)),
            Err(_) => Ok(false),
        },
        _ => Ok(true),
    }
}

/// EXEC: runs the queued commands as one serialisable transaction.
///
/// A queued command that fails answers with its error and undoes nothing of the others, as in Redis. If a key that a command read has changed
/// by the time of the commit, all of it is run again; if a watched key has, the answer is a null array. If one of them goes elsewhere, so does EXEC, and
/// nothing has been done here. With a command that acts at once, writers are held up from the beginning, so that it acts once.
pub(crate) fn commit_queue(ctx: &mut Context<'_>, queue: &Queue, watched: &Watches) -> Outcome {
    let mark = ctx.out.mark();
    let db = ctx.session.db;
    let effects = ctx.session.data.effects.len();
    if !ctx.session.data.is_direct() {
        // Inside a SNAPSHOT everything is read at its cut anyway.
        run_queue(ctx, queue);
        return Ok(());
    }
    let subscribes = queue.iter().any(|(id, _)| by_id(id).has(flag::PUBSUB));
    let logs_in = queue.iter().any(|(id, _)| by_id(id).has(flag::NO_AUTH));
    let login = logs_in.then(|| ctx.session.login.clone());
    let subscriptions = subscribes.then(|| ctx.session.subscriptions.clone());
    let hold = queue.acts_at_once().then(|| Hold::new(&ctx.env.server));
    let mut contest = Contest { hold, ..Contest::default() };
    loop {
        contest.begin(ctx);
        if !expect_all(ctx, watched) {
            ctx.session.data.mode = Mode::Direct;
            ctx.out.null_array();
            return Ok(());
        }
        run_queue(ctx, queue);
        let moves = ctx.session.mobility == Mobility::Moving;
        if end(ctx, !moves)? && !moves {
            show_queue(ctx, queue);
            break;
        }
        ctx.out.rewind(mark);
        ctx.session.db = db;
        if let Some(before) = &login {
            ctx.session.login = before.clone();
        }
        ctx.session.data.effects.truncate(effects);
        if let Some(before) = &subscriptions {
            let session = &mut *ctx.session;
            session.subscriptions.restore(before, &ctx.env.server.pubsub, &session.card);
        }
        if moves {
            break;
        }
        contest.lose();
    }
    Ok(())
}

/// COMMIT: `Ok(false)` if somebody else was faster. The interactive transaction is over either way.
pub(crate) fn commit_interactive(ctx: &mut Context<'_>) -> Result<bool, CommandError> {
    let committed = end(ctx, true);
    if committed != Ok(true) {
        ctx.session.data.roll_back();
    }
    ctx.session.data.interactive = None;
    committed
}

/// Whether every watched key has still the version that it had.
fn expect_all(ctx: &mut Context<'_>, watched: &Watches) -> bool {
    let Mode::Transaction(transaction) = &mut ctx.session.data.mode else { return true };
    watched.iter().all(|(db, key, stamp)| matches!(transaction.expect(db, key, stamp), Ok(true)))
}

fn show_queue(ctx: &mut Context<'_>, queue: &Queue) {
    if !ctx.env.server.monitors.is_empty() {
        for (id, args) in queue.iter() {
            show(&Context { args, session: ctx.session, out: ctx.out, env: ctx.env, id });
        }
    }
}

/// Whether the user may do now what it could when the command was queued; if not, that is the command's reply.
#[cold]
fn may_still(ctx: &mut Context<'_>, id: CommandId, args: Args<'_>) -> bool {
    let row = (id, by_id(id));
    let Err(denial) = rights::examine(args, row, ctx.session, ctx.env) else { return true };
    ctx.refresh_card();
    rights::note(args, row, ctx.session, ctx.env, (denial, Scene::Multi));
    ctx.out.error(&format!(
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
         This command is no longer allowed for the following reason: {}",
        denial.reason()
    ));
    ctx.env.stats.count_error(b"NOPERM");
    false
}

fn run_queue(ctx: &mut Context<'_>, queue: &Queue) {
    ctx.out.array(queue.len());
    for (id, args) in queue.iter() {
        if !ctx.session.login.has_pass(&ctx.env.server.acl) && !may_still(ctx, id, args) {
            continue;
        }
        run(&mut Context { args, session: ctx.session, out: ctx.out, env: ctx.env, id });
        if ctx.session.mobility == Mobility::Moving {
            return;
        }
        scheduling::yield_point();
    }
}

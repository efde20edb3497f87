//! From a request to its handler: look up, check, queue or run.
//!
//! The checks, in Redis's order: known? arity? allowed at all? may its user do it? allowed inside MULTI? Then it is queued or run.

use super::rights;
use crate::blocking::serve;
use crate::command::{
    BYTES_A_STEP, Command, CommandError, CommandId, Context, Group, Named, by_id, flag,
    is_allowed_inside, lookup_subcommand, overdue,
};
use crate::data::Stage;
use crate::env::Env;
use crate::event::Effect;
use crate::resp::{Args, Mark, Reply};
use crate::script::{Digest, Flags, Script};
use crate::session::{Mobility, Queue, State};
use crate::slowlog::{CommandLog, LogEntry, abridged};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of an unknown command's name, and of its arguments together, that the error quotes.
const MAX_QUOTED_BYTES: usize = 128;

/// A request of more arguments is not answered on an event loop.
const MANY_ARGUMENTS: usize = 2048;

/// Nor one of more bytes, which are to be copied at least: what a loop does of them meanwhile is as much as of so many arguments.
const MANY_BYTES: usize = MANY_ARGUMENTS * BYTES_A_STEP;

/// Of commands of constant cost, one in so many is timed.
const TIMED_EVERY: u32 = 64;

/// Answers one request, whose name stands for a command, or for none.
pub(crate) fn reply_to(
    args: Args<'_>,
    named: Named,
    session: &mut State,
    out: &mut Reply,
    env: &mut Env,
) {
    if session.data.interactive.is_some() {
        session.data.end_overdue(env.now_ms);
    }
    let (id, command) = match admit(args, named, session, out, env) {
        Ok(found) => found,
        Err(refusal) => return refuse(&refusal, args, named, session, out, env),
    };
    session.last_command = id.index() + 1;
    if !command.has(flag::NOT_QUEUED)
        && let Some(queue) = &mut session.queue
    {
        queue.push(id, args);
        return out.simple("QUEUED");
    }
    if (args.len() > MANY_ARGUMENTS || args.extent() > MANY_BYTES)
        && session.mobility == Mobility::MayMove
    {
        session.mobility = Mobility::Moving;
        return;
    }
    run(&mut Context { args, session, out, env, id });
    if session.mobility == Mobility::Moving {
        // What follows a command follows it over there.
        return;
    }
    if session.caching && session.queue.is_none() && !is_about_clients(command) {
        session.caching = false;
    }
    // What BEGIN's transaction has written comes with its COMMIT.
    if !session.data.touched.is_empty() && !session.data.is_in_transaction() {
        if env.server.tracking.is_needed() {
            env.server.tracking.tell(env, &session.data.touched, session.id);
        }
        serve(&mut session.data.touched, env);
    }
}

#[cold]
fn refuse(
    refusal: &[u8],
    args: Args<'_>,
    named: Named,
    session: &mut State,
    out: &mut Reply,
    env: &Env,
) {
    if session.queue.is_some() {
        session.queue_failed = true;
    }
    if named.is_none() && is_of_http(args) {
        return abort(session, env);
    }
    if let Some((id, _)) = named {
        env.stats.command(id).rejected.add(1);
    }
    let mark = out.mark();
    if named.is_some_and(|(_, command)| command.name == "exec") {
        // An EXEC that may not run ends its transaction all the same.
        session.abandon_queue();
        let why = refusal.strip_prefix(b"ERR ").unwrap_or(refusal);
        out.error_bytes(&[b"EXECABORT Transaction discarded because of: ", why].concat());
    } else {
        out.error_bytes(refusal);
    }
    env.stats.count_error(out.error_since(mark).unwrap_or(b"ERR"));
}

/// Whether it is a line of HTTP: somebody's browser has been made to send it.
fn is_of_http(args: Args<'_>) -> bool {
    args.is(0, "post") || args.is(0, "host:")
}

/// Ends a connection that a browser was made to open, and tells of it, once a minute at most.
#[cold]
fn abort(session: &mut State, env: &Env) {
    session.close_after_reply = true;
    let last_ms = env.server.attack_logged_ms.get();
    if last_ms == 0 || env.now_ms.saturating_sub(last_ms) > 60_000 {
        env.server.attack_logged_ms.set(env.now_ms);
        env.server.log.warning(&format!(
            "{} has sent a line of HTTP (POST or Host:) and is cut off. A browser may have been made to send it: see that no \
             page from elsewhere can reach this port.",
            session.card.address
        ));
    }
}

/// Whether this request is held up, by CLIENT PAUSE or by a transaction that holds writers up.
pub(crate) fn is_held_up(args: Args<'_>, named: Named, session: &State, env: &Env) -> bool {
    let Some((_, command)) = named else { return false };
    // What will be refused need not wait for that.
    if command.has(flag::UNPAUSED) || !command.accepts(args.len()) {
        return false;
    }
    let what = (command, args);
    let writes = is_or_runs(what, session, env, flag::WRITE | flag::MAY_REPLICATE);
    env.all_pause_left_ms().is_some()
        || (writes && session.queue.as_ref().is_none_or(|_| command.name == "exec"))
}

/// Whether the command has one of the flags, or is an EXEC of one that has. A script that says that it only reads has none.
fn is_or_runs(
    (command, args): (&Command, Args<'_>),
    session: &State,
    env: &Env,
    flags: u32,
) -> bool {
    let has =
        |command: &Command, args: Args<'_>| command.has(flags) && !only_reads(command, args, env);
    let queued = |queue: &Queue| queue.iter().any(|(id, args)| has(by_id(id), args));
    has(command, args) || (command.name == "exec" && session.queue.as_ref().is_some_and(queued))
}

/// Whether a command runs a script that says of itself that it writes nothing.
fn only_reads(command: &Command, args: Args<'_>, env: &Env) -> bool {
    let (scripting, name) = (&env.server.scripting, args.get(1).unwrap_or_default());
    let flags = match command.name {
        "eval" => Script::read(Digest::of(name), name).ok().map(|script| script.flags),
        "evalsha" => Digest::parse(name)
            .and_then(|digest| scripting.scripts.find(digest))
            .map(|script| script.flags),
        "fcall" => scripting.libraries.now().find(name).map(|(_, info)| info.flags),
        _ => None,
    };
    flags.is_some_and(|flags| flags.has(Flags::NO_WRITES))
}

/// Runs a command that has been admitted: its handler, then its error reply if it failed, then the books.
/// EXEC calls this for every queued command.
pub(crate) fn run(ctx: &mut Context<'_>) {
    let mark = ctx.out.mark();
    let (id, args) = (ctx.id, ctx.args);
    let command = crate::command::by_id(id);
    ctx.env.tick = ctx.env.tick.wrapping_add(1);
    let weight = weight_of(id, command, ctx.env);
    // Of a script, what its commands read counts.
    let reads = command.has(flag::READONLY) && command.group != Group::Scripting;
    if reads && ctx.session.tracking.is_some() {
        remember_keys(ctx, command);
    }
    if ctx.session.in_script && !ctx.env.server.monitors.is_empty() {
        note_shown(ctx);
    }
    let begun = (weight > 0).then(Instant::now);
    match (command.handler)(ctx) {
        Ok(()) => {}
        Err(CommandError::Elsewhere) => ctx.session.mobility = Mobility::Moving,
        Err(error) => {
            ctx.out.rewind(mark);
            error.write(ctx.out);
        }
    }
    if ctx.session.mobility == Mobility::Moving {
        // It is as if it had not begun.
        return ctx.out.rewind(mark);
    }
    if ctx.env.server.removed.is_waiting() {
        let removed = Arc::clone(&ctx.env.server.removed);
        removed.tell(ctx.env);
    }
    if !ctx.session.data.effects.is_empty() && !ctx.session.data.is_in_transaction() {
        take_effect(ctx);
    }
    let data = &ctx.session.data;
    if !ctx.env.server.monitors.is_empty()
        && (!data.is_in_transaction() || data.interactive.is_some())
    {
        show(ctx);
    }
    count(ctx, command, mark);
    if let Some(begun) = begun
        && ctx.session.waiter.is_none()
    {
        let elapsed = begun.elapsed();
        ctx.env.stats.command(id).took(
            elapsed.as_nanos() as u64,
            weight,
            ctx.env.settings.latency_tracking,
        );
        if !command.has(flag::SKIP_SLOWLOG) {
            note_if_slow(args, command, elapsed, ctx);
        }
    }
    note_if_large(ctx, command, mark);
}

/// Counts a command that has been run, and its error.
#[inline]
fn count(ctx: &mut Context<'_>, command: &Command, mark: Mark) {
    let (id, stats) = (ctx.id, &ctx.env.stats);
    stats.processed.add(1);
    // Of a command that waits, what it does in the end counts.
    if ctx.session.waiter.is_none() {
        stats.command(id).calls.add(1);
        ctx.session.commands += 1;
    }
    // Those among an EXEC's replies have been counted where they belong.
    let error =
        ctx.out.error_since(mark).filter(|_| command.name != "exec" || ctx.out.is_error(mark));
    if let Some(code) = error {
        stats.command(id).failed.add(1);
        if !std::mem::take(&mut ctx.session.error_is_counted) {
            stats.count_error(code);
        }
    }
}

/// How many runs the time that this one takes stands for; 0: it is not measured.
#[inline]
fn weight_of(id: CommandId, command: &Command, env: &Env) -> u32 {
    match command.has(flag::QUICK) && !env.settings.times_all {
        // The first ones all are: whoever tries a command out finds it in LATENCY HISTOGRAM.
        true if env.stats.command(id).calls.get() < u64::from(TIMED_EVERY) => 1,
        true if !env.tick.is_multiple_of(TIMED_EVERY) => 0,
        true => TIMED_EVERY,
        false => 1,
    }
}

fn is_about_clients(command: &Command) -> bool {
    command.name.starts_with("client|")
}

/// Has the server remember the keys that a client which tracks is about to read.
#[cold]
fn remember_keys(ctx: &mut Context<'_>, command: &Command) {
    let session = &mut *ctx.session;
    let Some(mode) = &session.tracking else { return };
    let passed_over =
        mode.broadcasts || mode.opts_in && !session.caching || mode.opts_out && session.caching;
    if !passed_over && command.keys.any() {
        let keys = command.keys.of(ctx.args);
        if session.data.is_in_transaction() {
            keys.iter().for_each(|key| session.data.touched.note_read(key));
        }
        ctx.env.server.tracking.remember(ctx.env, session.id, keys.into_iter());
    }
}

/// Shows a command to those who monitor; those of a transaction once it has been committed.
#[cold]
pub(crate) fn show(ctx: &Context<'_>) {
    let command = crate::command::by_id(ctx.id);
    if !command.has(flag::ADMIN | flag::SKIP_MONITOR) && !ctx.session.in_script {
        let (db, who) = (ctx.session.db, &ctx.session.card.address);
        ctx.env.server.monitors.show(ctx.env, command, ctx.args, db, who);
    }
}

/// Notes a script, or a command of one, for those who monitor: the script comes before its commands, and all of them once it has taken effect.
#[cold]
pub(crate) fn note_shown(ctx: &mut Context<'_>) {
    let command = crate::command::by_id(ctx.id);
    let (session, script) = (&mut *ctx.session, command.group == Group::Scripting);
    if script || !command.has(flag::ADMIN | flag::SKIP_MONITOR) {
        let who = if script { session.card.address.as_str() } else { "lua" };
        let parcel = crate::monitors::parcel(command, ctx.args, session.db, who);
        session.data.effects.push(Effect::Show { parcel });
    }
}

/// Tells what there is to tell of a command that has been run, or of a transaction that has been committed.
#[cold]
fn take_effect(ctx: &mut Context<'_>) {
    for effect in std::mem::take(&mut ctx.session.data.effects) {
        effect.happen(ctx.env);
    }
}

/// Enters what took long into the slow log and the latency log.
pub(crate) fn note_if_slow(
    args: Args<'_>,
    command: &Command,
    elapsed: Duration,
    ctx: &Context<'_>,
) {
    let (env, settings) = (&ctx.env, &ctx.env.settings);
    if settings.slowlog_us >= 0 && elapsed.as_micros() as i64 >= settings.slowlog_us {
        let (log, figure) = (&env.server.command_logs.slow, elapsed.as_micros() as u64);
        enter(log, settings.slowlog_max_len, figure, (args, command), ctx);
    }
    if settings.latency_ms > 0 && elapsed.as_millis() as u64 >= settings.latency_ms {
        let event = if command.has(flag::FAST) { "fast-command" } else { "command" };
        env.server.latency.push(event, env.now_ms / 1000, elapsed.as_millis() as u64);
    }
}

/// Enters a command whose request or reply was large into its log.
#[inline]
fn note_if_large(ctx: &Context<'_>, command: &Command, mark: Mark) {
    let (request, reply) = (ctx.args.extent(), ctx.out.len_since(mark));
    let settings = &ctx.env.settings;
    if request >= settings.large_request_bytes || reply >= settings.large_reply_bytes {
        note_large(ctx, command, (request, reply));
    }
}

#[cold]
fn note_large(ctx: &Context<'_>, command: &Command, (request, reply): (usize, usize)) {
    let (logs, settings) = (&ctx.env.server.command_logs, &ctx.env.settings);
    let is_between = ctx.session.in_script || ctx.session.waiter.is_some();
    if command.has(flag::SKIP_SLOWLOG) || is_between {
        return;
    }
    let what = (ctx.args, command);
    if request >= settings.large_request_bytes {
        enter(&logs.large_request, settings.large_request_max_len, request as u64, what, ctx);
    }
    if reply >= settings.large_reply_bytes {
        enter(&logs.large_reply, settings.large_reply_max_len, reply as u64, what, ctx);
    }
}

#[cold]
fn enter(
    log: &CommandLog,
    max_len: usize,
    figure: u64,
    (args, command): (Args<'_>, &Command),
    ctx: &Context<'_>,
) {
    let entry = LogEntry {
        id: 0,
        unix_s: ctx.env.now_ms / 1000,
        figure,
        args: abridged(command, args),
        address: ctx.session.card.address.clone(),
        name: ctx.session.card.names().client.clone(),
    };
    log.push(entry, max_len);
}

/// Checks that the command, or its subcommand, may be queued or run; else the error's text.
pub(crate) fn admit(
    args: Args<'_>,
    named: Named,
    session: &mut State,
    out: &Reply,
    env: &Env,
) -> Result<(CommandId, &'static Command), Vec<u8>> {
    let (mut id, mut command) = named.ok_or_else(|| unknown_command(args))?;
    if !command.subcommands.is_empty()
        && let Some(name) = args.get(1)
    {
        (id, command) =
            lookup_subcommand(id, name).ok_or_else(|| unknown_subcommand(command, name))?;
    }
    if !command.accepts(args.len()) {
        return Err(text(&format!("ERR wrong number of arguments for '{}' command", command.name)));
    }
    if !session.login.has_pass(&env.server.acl) {
        rights::admit(args, (id, command), session, out, env)?;
    }
    if session.is_listening(out) && !command.has(flag::WHILE_LISTENING) {
        return Err(only_subscriptions(command));
    }
    if let Some(kind) = env.server.scripting.watches.busy()
        && !command.has(flag::ALLOW_BUSY)
        && env.settings.busy_reply
    {
        return Err(text(crate::command::busy_text(kind)));
    }
    if session.queue.is_some() && command.has(flag::NO_MULTI) {
        let name = command.name;
        return Err(text(&format!("ERR Command '{name}' not allowed inside a transaction")));
    }
    if let Some(open) = session.data.interactive {
        within_interactive(command, open.stage, session)?;
    }
    if command.has(flag::WRITE) && env.server.saving.refuses_writes(&env.settings) {
        return Err(text(UNSAVED));
    }
    if env.settings.min_replicas > 0 && is_or_runs((command, args), session, env, flag::WRITE) {
        return Err(text(NO_REPLICAS));
    }
    if env.is_out_of_memory() {
        within_memory(command, session)?;
    }
    Ok((id, command))
}

/// Refuses what has no place inside BEGIN, and everything but its end once its time is over.
#[cold]
fn within_interactive(command: &Command, stage: Stage, session: &State) -> Result<(), Vec<u8>> {
    let ends = ["commit", "rollback", "reset", "quit"].contains(&command.name);
    if stage == Stage::Overdue && !ends {
        let mut text = Reply::default();
        overdue().write(&mut text);
        let line = text.as_bytes();
        return Err(line[1..line.len() - 2].to_vec());
    }
    debug_assert!(session.queue.is_none());
    if !is_allowed_inside(command) {
        let name = command.name.to_ascii_uppercase();
        return Err(text(&format!("ERR {name} inside BEGIN is not allowed")));
    }
    Ok(())
}

/// Refuses what needs memory; EXEC if anything that is queued does.
#[cold]
fn within_memory(command: &Command, session: &State) -> Result<(), Vec<u8>> {
    let needy = |id: CommandId| crate::command::by_id(id).has(flag::DENYOOM);
    if command.has(flag::DENYOOM) {
        return Err(text(CommandError::OUT_OF_MEMORY));
    }
    let queue = session.queue.as_ref().filter(|_| command.name == "exec");
    if !session.queue_failed && queue.is_some_and(|queue| queue.iter().any(|(id, _)| needy(id))) {
        return Err(text(CommandError::OUT_OF_MEMORY));
    }
    Ok(())
}

/// What a write is told while `min-replicas-to-write` asks for replicas: there are none.
pub(crate) const NO_REPLICAS: &str = "NOREPLICAS Not enough good replicas to write.";

/// What a write is told while what it changes could not be saved.
pub(crate) const UNSAVED: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands \
that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails \
(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";
#[cold]
fn only_subscriptions(command: &Command) -> Vec<u8> {
    text(&format!(
        "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
        command.name
    ))
}

fn text(s: &str) -> Vec<u8> {
    s.as_bytes().to_vec()
}

fn unknown_command(args: Args<'_>) -> Vec<u8> {
    let name = args.at(0);
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(&name[..name.len().min(MAX_QUOTED_BYTES)]);
    text.extend_from_slice(b"', with args beginning with: ");
    let from = text.len();
    for arg in args.iter_from(1) {
        let quoted = text.len() - from;
        if quoted >= MAX_QUOTED_BYTES {
            break;
        }
        text.push(b'\'');
        text.extend_from_slice(&arg[..arg.len().min(MAX_QUOTED_BYTES - quoted)]);
        text.extend_from_slice(b"' ");
    }
    text
}

fn unknown_subcommand(command: &Command, name: &[u8]) -> Vec<u8> {
    let mut text = b"ERR unknown subcommand '".to_vec();
    text.extend_from_slice(&name[..name.len().min(MAX_QUOTED_BYTES)]);
    text.extend_from_slice(b"'. Try ");
    text.extend_from_slice(command.name.to_ascii_uppercase().as_bytes());
    text.extend_from_slice(b" HELP.");
    text
}

//! [`Caller`]: `redis.call` and `redis.pcall`: a command run for a script.
//!
//! ```text
//! Lua values ─▶ arguments, one after the other in one buffer ─▶ admitted? ─▶ session::run ─▶ reply, never sent ─▶ Lua value
//! ```

use super::fault::{End, Fault};
use super::flags::Flags;
use super::interpreter::Shared;
use super::to_lua::to_lua;
use crate::acl::Scene;
use crate::command::{
    Command, CommandError, CommandId, Context, flag, lookup_request, lookup_subcommand,
};
use crate::env::Env;
use crate::resp::{ArgRange, Args, Protocol, Reply};
use crate::session::{self, Mobility, rights};
use mlua::{Lua, MultiValue, Value};
use stillpoint_primitive::scheduling;

/// Under which name the script calls: texts differ, as Redis's and Valkey's do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Redis,
    Server,
}

/// Runs commands for one script.
pub(super) struct Caller<'r, 'c> {
    pub(super) ctx: &'r mut Context<'c>,
    pub(super) shared: &'r Shared,
    pub(super) flags: Flags,
    pub(super) buffers: &'r mut Buffers,
}

/// Memory for arguments and replies, kept from script to script.
#[derive(Default)]
pub(super) struct Buffers {
    bytes: Vec<u8>,
    ranges: Vec<ArgRange>,
    reply: Reply,
}

/// Longest buffer that is kept.
const MAX_KEPT_BYTES: usize = 64 * 1024;

impl Caller<'_, '_> {
    /// Runs a command; its error is raised, or returned as a table.
    pub(super) fn call(
        &mut self,
        lua: &Lua,
        args: &MultiValue,
        api: Api,
        raises: bool,
    ) -> mlua::Result<Value> {
        match self.perform(args, api) {
            Err(fault) if raises => Err(fault.into()),
            Err(fault) => fault.into_table(lua),
            Ok(()) => {
                let value = to_lua(lua, self.buffers.reply.as_bytes());
                self.buffers.tidy();
                value
            }
        }
    }

    /// `redis.acl_check_cmd`: whether the user may do that.
    pub(super) fn may(&mut self, args: &MultiValue, api: Api) -> mlua::Result<bool> {
        self.buffers.gather(args, api)?;
        let args = Args::new(&self.buffers.bytes, &self.buffers.ranges);
        let Some(row) = lookup_request(args) else {
            let name = if api == Api::Redis { "redis" } else { "server" };
            let text = format!("Invalid command passed to {name}.acl_check_cmd()");
            return Err(Fault::reply(&text).into());
        };
        let (session, env) = (&mut *self.ctx.session, &*self.ctx.env);
        Ok(rights::examine(args, row, session, env).is_ok())
    }

    /// Leaves the reply in the buffer, if it is not an error.
    fn perform(&mut self, args: &MultiValue, api: Api) -> Result<(), Fault> {
        self.buffers.gather(args, api)?;
        let Caller { ctx, shared, flags, buffers } = self;
        let Buffers { bytes, ranges, reply } = &mut **buffers;
        let args = Args::new(bytes, ranges);
        let may = Permissions { flags: *flags, has_written: shared.watch.has_written() };
        let (id, command) = match may.admit(args, ctx.env, api) {
            Ok(found) => found,
            Err((rejected, text)) => {
                let stats = &ctx.env.stats;
                if let Some(id) = rejected {
                    stats.command(id).rejected.add(1);
                }
                let code = text.split(|byte| *byte == b' ').next().unwrap_or(b"ERR");
                stats.count_error(code);
                return Err(Fault::Reply { text, counted: true });
            }
        };
        if !ctx.session.login.has_pass(&ctx.env.server.acl) {
            within_rights(args, (id, command), ctx)?;
        }
        if command.has(flag::WRITE) {
            shared.watch.write();
        }
        let resp3 = shared.resp3.get() != 0;
        reply.set_protocol(if resp3 { Protocol::Resp3 } else { Protocol::Resp2 });
        reply.take_front(reply.len());
        let mark = reply.mark();
        let (session, env) = (&mut *ctx.session, &mut *ctx.env);
        session::run(&mut Context { args, session, out: reply, env, id });
        scheduling::yield_point();
        if ctx.session.mobility == Mobility::Moving {
            return Err(Fault::Ended(End::Moved));
        }
        // What the script does with it may take long where nothing can interrupt it.
        shared.watch.weigh(reply.len())?;
        if reply.error_since(mark).is_some()
            && let Some(line) = reply.as_bytes().strip_prefix(b"-")
        {
            let text = line.strip_suffix(b"\r\n").unwrap_or(line).to_vec();
            return Err(Fault::Reply { text, counted: true });
        }
        Ok(())
    }
}

/// Refuses what the user may not do.
#[cold]
fn within_rights(
    args: Args<'_>,
    row: (CommandId, &Command),
    ctx: &mut Context<'_>,
) -> Result<(), Fault> {
    let Err(denial) = rights::examine(args, row, ctx.session, ctx.env) else { return Ok(()) };
    ctx.refresh_card();
    rights::note(args, row, ctx.session, ctx.env, (denial, Scene::Script));
    let text = denial.text(ctx.session.login.name(), row.1, args, false);
    ctx.env.stats.command(row.0).rejected.add(1);
    ctx.env.stats.count_error(b"ERR");
    let text = [b"ERR ACL failure in script: ", text.as_slice()].concat();
    Err(Fault::Reply { text, counted: true })
}

/// Which command was refused, if it is one, and the error's text.
type Refusal = (Option<CommandId>, Vec<u8>);

/// What the script may do.
struct Permissions {
    flags: Flags,
    has_written: bool,
}

impl Permissions {
    /// Finds the command and checks that a script may run it.
    fn admit(
        &self,
        args: Args<'_>,
        env: &Env,
        api: Api,
    ) -> Result<(CommandId, &'static Command), Refusal> {
        let redis = api == Api::Redis;
        let text = |redis_says: &str, valkey_says: &str| {
            let text = if redis { redis_says } else { valkey_says };
            format!("ERR {text}").into_bytes()
        };
        let unknown = || {
            let text = text(
                "Unknown Redis command called from script",
                "Unknown command called from script",
            );
            (None, text)
        };
        let found = env.settings.renames.lookup(args.at(0));
        let (mut id, mut command) = found.ok_or_else(unknown)?;
        if !command.subcommands.is_empty()
            && let Some(name) = args.get(1)
        {
            (id, command) = lookup_subcommand(id, name).ok_or_else(unknown)?;
        }
        let refused = |text| Err((Some(id), text));
        if !command.accepts(args.len()) {
            return refused(text(
                "Wrong number of args calling Redis command from script",
                "Wrong number of args calling command from script",
            ));
        }
        if command.has(flag::NOSCRIPT) && env.server.scripting.allow_all.get() == 0 {
            return refused(b"ERR This Redis command is not allowed from script".to_vec());
        }
        if command.has(flag::WRITE | flag::MAY_REPLICATE) && self.flags.has(Flags::NO_WRITES) {
            let text = b"ERR Write commands are not allowed from read-only scripts.";
            return refused(text.to_vec());
        }
        if command.has(flag::WRITE) && env.server.saving.refuses_writes(&env.settings) {
            return refused(session::UNSAVED.as_bytes().to_vec());
        }
        if command.has(flag::WRITE) && env.settings.min_replicas > 0 {
            return refused(session::NO_REPLICAS.as_bytes().to_vec());
        }
        if command.has(flag::DENYOOM)
            && env.is_out_of_memory()
            && !self.flags.has(Flags::ALLOW_OOM)
            && !self.has_written
        {
            return refused(CommandError::OUT_OF_MEMORY.as_bytes().to_vec());
        }
        Ok((id, command))
    }
}

impl Buffers {
    fn gather(&mut self, args: &MultiValue, api: Api) -> Result<(), Fault> {
        self.bytes.clear();
        self.ranges.clear();
        if args.is_empty() {
            let name = if api == Api::Redis { "this redis lib call" } else { "this call" };
            return Err(Fault::reply(&format!("Please specify at least one argument for {name}")));
        }
        for value in args {
            let start = self.bytes.len();
            match value {
                Value::String(text) => self.bytes.extend_from_slice(&text.as_bytes()),
                Value::Integer(n) => {
                    self.bytes.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes());
                }
                Value::Number(x) => {
                    self.bytes.extend_from_slice(super::number::argument(*x).as_bytes());
                }
                _ => {
                    let name = if api == Api::Redis { "Lua redis lib command" } else { "Command" };
                    let text = format!("{name} arguments must be strings or integers");
                    return Err(Fault::reply(&text));
                }
            }
            let (Ok(start), Ok(len)) =
                (u32::try_from(start), u32::try_from(self.bytes.len() - start))
            else {
                return Err(Fault::reply("arguments of 4 GB and more are too long"));
            };
            self.ranges.push(ArgRange { start, len });
        }
        Ok(())
    }

    /// Gives up what a large command took.
    fn tidy(&mut self) {
        if self.bytes.capacity() > MAX_KEPT_BYTES {
            self.bytes = Vec::new();
        }
        if self.reply.capacity() > MAX_KEPT_BYTES {
            self.reply = Reply::default();
        }
    }
}

impl Fault {
    /// The table that `redis.pcall` returns.
    fn into_table(self, lua: &Lua) -> mlua::Result<Value> {
        let Fault::Reply { text, counted } = self else { return Err(self.into()) };
        error_table(lua, &text, counted)
    }
}

/// `{err=text}`, which says whether INFO has counted the error.
pub(super) fn error_table(lua: &Lua, text: &[u8], counted: bool) -> mlua::Result<Value> {
    let table = lua.create_table_with_capacity(0, 2)?;
    table.raw_set("err", lua.create_string(text)?)?;
    if counted {
        table.raw_set("ignore_error_stats_update", true)?;
    }
    Ok(Value::Table(table))
}

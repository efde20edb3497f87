//! [`Interpreter`]: one Lua state, and how a script runs in it.
//!
//! ```text
//! begin a transaction ─▶ KEYS, ARGV, redis.call ─▶ xpcall(script, on_error) ─┬ value ─▶ reply ─▶ commit ┬ done
//!      ▲                                                                     ├ error ─▶ reply ─▶ commit ┤
//!      │                                                                     └ ended: nothing is kept   │
//!      └────────────────────────────── another transaction was faster ──────────────────────────────────┘
//! ```

use super::cache::{Digest, Script};
use super::call::{Api, Buffers, Caller, error_table};
use super::fault::{End, Fault};
use super::flags::Flags;
use super::libraries::Library;
use super::library::{Random, bits, json, msgpack, pack, random, strings};
use super::register::{Loading, load_table};
use super::to_reply::Writer;
use super::watch::{HEAVY_BYTES, Kind, LOOK_EVERY, Watch};
use super::{host, number};
use crate::command::{CommandError, Context, Outcome};
use crate::counter::Gauge;
use crate::data::{Ending, as_transaction, at_one_cut};
use crate::env::Server;
use crate::session::{self, Mobility, NO_REPLICAS, UNSAVED};
use mlua::chunk::ChunkMode;
use mlua::{
    Function, HookTriggers, Lua, LuaOptions, MultiValue, RegistryKey, StdLib, Table, Value, VmState,
};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use stillpoint_primitive::scheduling::TimeSlice;

/// What the functions inside Lua share with the interpreter.
pub(super) struct Shared {
    pub(super) server: Arc<Server>,
    pub(super) watch: Arc<Watch>,
    /// `redis.setresp(3)` was said.
    pub(super) resp3: Gauge,
    random: Arc<Random>,
    pub(super) loading: Loading,
    failure: Mutex<Option<Failure>>,
}

/// Why a script ended without a value.
#[derive(Debug, Default)]
pub(super) struct Failure {
    /// Code word included.
    pub(super) text: Vec<u8>,
    /// Source and line.
    place: Option<(String, usize)>,
    counted: bool,
    pub(super) end: Option<End>,
}

/// What to run.
pub(crate) struct Job<'j> {
    /// Digest or name of the function.
    pub(crate) name: &'j str,
    pub(crate) function: Function,
    pub(crate) kind: Kind,
    pub(crate) flags: Flags,
    /// Which of the command's arguments are KEYS, and which ARGV.
    pub(crate) keys: Range<usize>,
    pub(crate) args: Range<usize>,
}

/// One Lua state.
pub(crate) struct Interpreter {
    pub(super) lua: Lua,
    pub(super) shared: Arc<Shared>,
    /// The names that scripts see.
    globals: Table,
    /// `redis` and `server`.
    apis: [Table; 2],
    xpcall: Function,
    bind: Function,
    on_error: Function,
    /// What the code of libraries finds, and the switch between loading and running.
    pub(super) library_environment: Table,
    pub(super) set_loading: Function,
    /// The libraries that this interpreter has loaded, by name, with their functions by name in lower case; some may have been replaced since.
    pub(super) libraries: HashMap<String, (Arc<Library>, HashMap<String, RegistryKey>)>,
    chunks: HashMap<Digest, Function>,
    flushes_seen: u64,
    buffers: Buffers,
    /// Memory from which on a run is followed by a collection.
    collected_from: usize,
}

/// The least of it: what runs of ordinary scripts leave is Lua's own business.
const COLLECTED_FROM: usize = 8 << 20;

impl Interpreter {
    /// A new state.
    ///
    /// # Errors
    /// Lua's, if there is no memory.
    pub(crate) fn new(server: &Arc<Server>) -> mlua::Result<Self> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        let shared = Arc::new(Shared {
            watch: server.scripting.watches.add(),
            server: server.clone(),
            resp3: Gauge::default(),
            random: Arc::default(),
            loading: Loading::default(),
            failure: Mutex::default(),
        });
        let host = lua.create_table()?;
        let apis = [host::table(&lua, &shared, "redis")?, host::table(&lua, &shared, "server")?];
        for (name, table) in ["redis", "server"].into_iter().zip(&apis) {
            let while_loading = load_table(&lua, &shared, table, name)?;
            host.raw_set(format!("{name}_while_loading"), while_loading)?;
            host.raw_set(name, table)?;
        }
        host.raw_set("bit", bits(&lua)?)?;
        host.raw_set("cjson", json(&lua)?)?;
        host.raw_set("cmsgpack", msgpack(&lua)?)?;
        host.raw_set("struct", pack(&lua)?)?;
        let (draw, seed) = random(&lua, &shared.random)?;
        host.raw_set("strings", strings(&lua, &shared)?)?;
        host.raw_set("random", draw)?;
        host.raw_set("randomseed", seed)?;
        host.raw_set("explain", lua.create_function(explain)?)?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name(PRELUDE);
        let (globals, xpcall, bind, library_environment, set_loading) = prelude.call(host)?;
        let own = shared.clone();
        let on_error = lua.create_function(move |lua, problem: Value| {
            let failure = failure_of(lua, &problem);
            *own.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
            Ok(())
        })?;
        let own = shared.clone();
        let triggers = HookTriggers::new().every_nth_instruction(LOOK_EVERY);
        let slice = Mutex::new(TimeSlice::begin());
        lua.set_global_hook(triggers, move |_, _| {
            if !own.watch.may_move() {
                slice.lock().unwrap_or_else(PoisonError::into_inner).yield_if_over();
            }
            look(&own)
        })?;
        Ok(Interpreter {
            lua,
            shared,
            globals,
            apis,
            xpcall,
            bind,
            on_error,
            library_environment,
            set_loading,
            libraries: HashMap::new(),
            chunks: HashMap::new(),
            flushes_seen: 0,
            buffers: Buffers::default(),
            collected_from: COLLECTED_FROM,
        })
    }

    /// The script's code, made ready to run.
    ///
    /// # Errors
    /// The text for the client, after `ERR`.
    pub(crate) fn compile(&mut self, script: &Script) -> Result<Function, String> {
        let flushes = self.shared.server.scripting.scripts.flushes();
        if flushes != self.flushes_seen {
            self.flushes_seen = flushes;
            self.chunks.clear();
        }
        if let Some(chunk) = self.chunks.get(&script.digest) {
            return Ok(chunk.clone());
        }
        let chunk = self.lua.load(script.code()).set_name("@user_script").set_mode(ChunkMode::Text);
        let function = chunk.into_function().map_err(|error| {
            format!("Error compiling script (new function): {}", syntax_text(&error))
        })?;
        if self.chunks.len() >= MAX_CHUNKS {
            self.chunks.clear();
        }
        self.chunks.insert(script.digest, function.clone());
        Ok(function)
    }

    /// Runs a script and writes its reply.
    pub(crate) fn execute(&mut self, ctx: &mut Context<'_>, job: &Job<'_>) -> Outcome {
        if ctx.args.extent() > HEAVY_BYTES
            && ctx.session.mobility == Mobility::MayMove
            && ctx.session.data.interactive.is_none()
        {
            return Err(CommandError::Elsewhere);
        }
        let flags = job.flags;
        let unready = !flags.has(Flags::SAYS_NOTHING)
            && !flags.has(Flags::ALLOW_OOM)
            && !flags.has(Flags::NO_WRITES);
        if ctx.env.is_out_of_memory() && unready {
            return Err(CommandError::Coded(
                "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'".into(),
            ));
        }
        let (server, settings) = (&ctx.env.server, &ctx.env.settings);
        if !flags.has(Flags::SAYS_NOTHING)
            && !flags.has(Flags::NO_WRITES)
            && server.saving.refuses_writes(settings)
        {
            return Err(CommandError::Coded(UNSAVED.into()));
        }
        let may_write = !flags.has(Flags::SAYS_NOTHING) && !flags.has(Flags::NO_WRITES);
        if may_write && settings.min_replicas > 0 {
            return Err(CommandError::Coded(NO_REPLICAS.into()));
        }
        if job.kind == Kind::Function {
            let command = ctx.args.iter_from(0).map(<[u8]>::to_vec).collect();
            self.shared.watch.announce(job.name, command);
        }
        // Cannot fail: it is the allocator's own limit.
        let _was = self.lua.set_memory_limit(ctx.env.settings.script_max_memory);
        let effects = ctx.session.data.effects.len();
        if !ctx.env.server.monitors.is_empty() {
            session::note_shown(ctx);
        }
        // What it has written in a transaction that a client has open could not be taken back.
        let mobility = ctx.session.mobility;
        if ctx.session.data.interactive.is_some() {
            ctx.session.mobility = Mobility::Stays;
        }
        let nested = std::mem::replace(&mut ctx.session.in_script, true);
        let outcome = match flags.has(Flags::NO_WRITES) {
            true => at_one_cut(ctx, |ctx| {
                self.attempt(ctx, job);
                Ok(())
            }),
            false => as_transaction(ctx, |ctx| self.attempt(ctx, job)),
        };
        ctx.session.in_script = nested;
        match ctx.session.mobility {
            Mobility::Moving => ctx.session.data.effects.truncate(effects),
            _ => ctx.session.mobility = mobility,
        }
        self.collect();
        self.shared.watch.note_bytes(self.lua.used_memory());
        outcome
    }

    /// Frees what a run has left, if that is much: until the next script Lua would do nothing about it.
    fn collect(&mut self) {
        if self.lua.used_memory() < self.collected_from {
            return;
        }
        for words in ["KEYS", "ARGV"] {
            // Without memory for that they stay until the next script.
            let _gone = self.globals.raw_set(words, Value::Nil);
        }
        // An error is one of a finalizer, which scripts cannot have.
        let _collected = self.lua.gc_collect();
        self.collected_from = COLLECTED_FROM.max(2 * self.lua.used_memory());
    }

    /// Runs a script once.
    fn attempt(&mut self, ctx: &mut Context<'_>, job: &Job<'_>) -> Ending {
        let (db, mark) = (ctx.session.db, ctx.out.mark());
        let may_move = ctx.session.mobility == Mobility::MayMove;
        let shared = self.shared.clone();
        shared.resp3.set(0);
        shared.random.seed(ctx.env.fresh_seed());
        shared.watch.begin(job.kind, ctx.env.settings.busy_reply_ms, may_move);
        let result = self.call(ctx, job);
        shared.watch.end(&shared.server.scripting.watches);
        ctx.session.db = db;
        let resp3 = shared.resp3.get() != 0;
        let failure = match result {
            Ok(value) => {
                let mut writer = Writer { lua: &self.lua, out: ctx.out, resp3, counted: false };
                match writer.write(value) {
                    Ok(()) => {
                        ctx.session.error_is_counted = writer.counted;
                        return Ending::Commit;
                    }
                    Err(error) => {
                        ctx.out.rewind(mark);
                        plain_failure(error.to_string().as_bytes())
                    }
                }
            }
            Err(failure) => failure,
        };
        if failure.end == Some(End::Moved) {
            ctx.session.mobility = Mobility::Moving;
            return Ending::Discard;
        }
        let mut text = failure.text;
        if let Some((source, line)) = failure.place {
            let place = format!(" script: {}, on {source}:{line}.", job.name);
            text.extend_from_slice(place.as_bytes());
        }
        ctx.session.error_is_counted = failure.counted;
        ctx.out.error_bytes(&text);
        match failure.end {
            Some(_) => Ending::Discard,
            None => Ending::Commit,
        }
    }

    /// Calls into Lua; `redis.call` borrows the context for that long.
    fn call(&mut self, ctx: &mut Context<'_>, job: &Job<'_>) -> Result<Value, Failure> {
        let words = |lua: &Lua, range: Range<usize>| -> mlua::Result<Table> {
            let table = lua.create_table_with_capacity(range.len(), 0)?;
            for (i, at) in range.enumerate() {
                table.raw_set(i + 1, lua.create_string(ctx.args.at(at))?)?;
            }
            Ok(table)
        };
        let prepared = words(&self.lua, job.keys.clone())
            .and_then(|keys| Ok((keys, words(&self.lua, job.args.clone())?)));
        let prepared = prepared.and_then(|(keys, args)| match job.kind {
            Kind::Function => self.bind.call((&job.function, keys, args)),
            _ => {
                self.globals.raw_set("KEYS", keys)?;
                self.globals.raw_set("ARGV", args)?;
                Ok(job.function.clone())
            }
        });
        let function: Function =
            prepared.map_err(|error| plain_failure(error.to_string().as_bytes()))?;
        let (lua, shared, buffers) = (&self.lua, &*self.shared, &mut self.buffers);
        let caller = RefCell::new(Caller { ctx, shared, flags: job.flags, buffers });
        let outcome = lua.scope(|scope| {
            let caller = &caller;
            for (table, api) in self.apis.iter().zip([Api::Redis, Api::Server]) {
                for (name, raises) in [("call", true), ("pcall", false)] {
                    let run = scope.create_function(move |lua, args: MultiValue| {
                        let mut caller = caller.try_borrow_mut().map_err(|_| nested())?;
                        caller.call(lua, &args, api, raises)
                    })?;
                    table.raw_set(name, run)?;
                }
                let may = scope.create_function(move |_, args: MultiValue| {
                    let mut caller = caller.try_borrow_mut().map_err(|_| nested())?;
                    caller.may(&args, api)
                })?;
                table.raw_set("acl_check_cmd", may)?;
            }
            self.xpcall.call((&function, &self.on_error))
        });
        self.settle(outcome)
    }

    /// Runs a function that calls no commands.
    pub(super) fn protect(&self, function: &Function) -> Result<Value, Failure> {
        self.settle(self.xpcall.call((function, &self.on_error)))
    }

    /// What came of a protected call.
    fn settle(&self, outcome: mlua::Result<MultiValue>) -> Result<Value, Failure> {
        let failure = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        match outcome {
            Ok(mut results) => match results.pop_front() {
                Some(Value::Boolean(true)) => Ok(results.pop_front().unwrap_or(Value::Nil)),
                _ => Err(failure.unwrap_or_else(|| match results.pop_front() {
                    Some(Value::String(text)) => plain_failure(&text.as_bytes()),
                    _ => plain_failure(b"execution failure"),
                })),
            },
            Err(error) => Err(plain_failure(error.to_string().as_bytes())),
        }
    }
}

fn nested() -> Fault {
    Fault::reply("a script called a command while it called one")
}

/// Chunk name of the prelude.
pub(super) const PRELUDE: &str = "=prelude";
/// Compiled scripts kept per interpreter.
const MAX_CHUNKS: usize = 1000;

pub(super) fn look(shared: &Shared) -> mlua::Result<VmState> {
    let server = &shared.server;
    let busy = shared.watch.look(&server.scripting.watches, server.is_stopping())?;
    if let Some(elapsed_ms) = busy {
        server.log.warning(&format!(
            "Slow script detected: still in execution after {elapsed_ms} milliseconds. You can try killing the \
             script using the SCRIPT KILL command or FUNCTION KILL."
        ));
    }
    Ok(VmState::Continue)
}

/// For scripts that catch: whether this error must not be caught, and what it is to them.
fn explain(lua: &Lua, problem: Value) -> mlua::Result<(bool, Value)> {
    let Value::Error(error) = &problem else { return Ok((false, problem)) };
    let known = match Fault::of(error) {
        Some(Fault::Text(text)) => Value::String(lua.create_string(text)?),
        Some(Fault::Reply { text, counted }) => error_table(lua, text, *counted)?,
        Some(Fault::Ended(_)) => return Ok((true, Value::Nil)),
        None => Value::String(lua.create_string(error.to_string())?),
    };
    Ok((false, known))
}

pub(super) fn plain_failure(text: &[u8]) -> Failure {
    Failure { text: [b"ERR ", text].concat(), ..Failure::default() }
}

/// What an error that nobody caught says, and where it was raised.
fn failure_of(lua: &Lua, problem: &Value) -> Failure {
    let mut failure = match problem {
        Value::Error(error) => match Fault::of(error) {
            Some(Fault::Text(text)) => plain_failure(text),
            Some(Fault::Reply { text, counted }) => {
                Failure { text: text.clone(), counted: *counted, ..Failure::default() }
            }
            Some(Fault::Ended(end)) => {
                Failure { text: end_text(*end).into(), end: Some(*end), ..Failure::default() }
            }
            None => plain_failure(error.to_string().as_bytes()),
        },
        Value::String(text) => plain_failure(&text.as_bytes()),
        Value::Integer(n) => plain_failure(n.to_string().as_bytes()),
        Value::Number(x) => plain_failure(number::general(*x, 14).as_bytes()),
        Value::Boolean(yes) => plain_failure(yes.to_string().as_bytes()),
        Value::Nil => plain_failure(b"nil"),
        Value::Table(table) => {
            let counted = table.raw_get("ignore_error_stats_update").unwrap_or(false);
            match table.raw_get("err") {
                Ok(Value::String(text)) => {
                    Failure { text: text.as_bytes().to_vec(), counted, ..Failure::default() }
                }
                _ => plain_failure(b"unknown error"),
            }
        }
        other => plain_failure(other.type_name().as_bytes()),
    };
    failure.place = place(lua);
    failure
}

fn end_text(end: End) -> &'static str {
    match end {
        End::ScriptKill => "ERR Script killed by user with SCRIPT KILL.",
        End::FunctionKill => "ERR Script killed by user with FUNCTION KILL.",
        End::LoadTimeout => "ERR FUNCTION LOAD timeout",
        End::Moved | End::Stopping => "ERR the server stops",
    }
}

/// Frames looked at for the place of an error.
const MAX_FRAMES: usize = 12;

/// The innermost place in a script itself.
fn place(lua: &Lua) -> Option<(String, usize)> {
    (1..MAX_FRAMES).find_map(|level| {
        lua.inspect_stack(level, |frame| {
            let source = frame.source();
            let text = source.source?.into_owned();
            if matches!(source.what, "C" | "tail") || text == PRELUDE || text.starts_with("=(tail")
            {
                return None;
            }
            Some((text, frame.current_line()?))
        })
        .flatten()
    })
}

/// What Lua's compiler says.
pub(super) fn syntax_text(error: &mlua::Error) -> String {
    match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

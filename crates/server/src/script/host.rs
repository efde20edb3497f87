//! The tables `redis` and `server`, but for what runs or checks commands: that changes with every script (see `call`).

use super::fault::{self, Fault};
use super::interpreter::Shared;
use crate::config::LogLevel;
use mlua::{Lua, MultiValue, Table, Value};
use std::sync::Arc;

/// Version that scripts are told, as INFO has it.
const VERSION: &str = crate::command::REDIS_VERSION;

const LEVELS: [(&str, LogLevel); 4] = [
    ("LOG_DEBUG", LogLevel::Debug),
    ("LOG_VERBOSE", LogLevel::Verbose),
    ("LOG_NOTICE", LogLevel::Notice),
    ("LOG_WARNING", LogLevel::Warning),
];

const REPLICATION: [(&str, i64); 5] =
    [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)];

/// The table of this name (`redis`, `server`), without commands.
pub(super) fn table(lua: &Lua, shared: &Arc<Shared>, name: &'static str) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("error_reply", lua.create_function(error_reply)?)?;
    table.raw_set("status_reply", lua.create_function(status_reply)?)?;
    table.raw_set("sha1hex", lua.create_function(sha1hex)?)?;
    let own = shared.clone();
    table.raw_set("log", lua.create_function(move |lua, args| log(lua, &own, name, &args))?)?;
    let own = shared.clone();
    table.raw_set("setresp", lua.create_function(move |_, args| setresp(&own, name, &args))?)?;
    table.raw_set("set_repl", lua.create_function(move |_, args| set_repl(name, &args))?)?;
    table.raw_set("replicate_commands", lua.create_function(|_, ()| Ok(true))?)?;
    table.raw_set("breakpoint", lua.create_function(|_, ()| Ok(false))?)?;
    table.raw_set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    for (i, (level, _)) in LEVELS.iter().enumerate() {
        table.raw_set(*level, i)?;
    }
    for (target, number) in REPLICATION {
        table.raw_set(target, number)?;
    }
    let number = VERSION
        .split('.')
        .fold(0_i64, |number, part| number << 8 | part.parse::<i64>().unwrap_or(0));
    for prefix in ["REDIS", "SERVER"] {
        if prefix == "REDIS" || name == "server" {
            table.raw_set(format!("{prefix}_VERSION"), VERSION)?;
            table.raw_set(format!("{prefix}_VERSION_NUM"), number)?;
        }
    }
    if name == "server" {
        table.raw_set("SERVER_NAME", "stillpoint")?;
    }
    Ok(table)
}

fn only_string(args: &MultiValue) -> Option<Vec<u8>> {
    match (args.len(), args.front()) {
        (1, Some(Value::String(text))) => Some(text.as_bytes().to_vec()),
        _ => None,
    }
}

fn labelled(lua: &Lua, label: &str, text: &[u8]) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set(label, lua.create_string(text)?)?;
    Ok(table)
}

const WRONG_ARGUMENTS: &[u8] = b"ERR wrong number or type of arguments";

fn error_reply(lua: &Lua, args: MultiValue) -> mlua::Result<Table> {
    let Some(text) = only_string(&args) else { return labelled(lua, "err", WRONG_ARGUMENTS) };
    let text = text.strip_prefix(b"-").unwrap_or(&text);
    let text = text.trim_ascii_end();
    if text.contains(&b' ') {
        return labelled(lua, "err", text);
    }
    labelled(lua, "err", [b"ERR ", text].concat().trim_ascii_end())
}

fn status_reply(lua: &Lua, args: MultiValue) -> mlua::Result<Table> {
    match only_string(&args) {
        Some(text) => labelled(lua, "ok", &text),
        None => labelled(lua, "err", WRONG_ARGUMENTS),
    }
}

fn sha1hex(lua: &Lua, args: MultiValue) -> mlua::Result<String> {
    if args.len() != 1 {
        return Err(Fault::reply("wrong number of arguments").into());
    }
    let text = match args.front() {
        Some(Value::String(_) | Value::Integer(_) | Value::Number(_)) => {
            fault::bytes(lua, &args, 0)?
        }
        _ => Vec::new(),
    };
    Ok(super::cache::Digest::of(&text).to_hex())
}

fn log(lua: &Lua, shared: &Shared, name: &str, args: &MultiValue) -> mlua::Result<()> {
    if args.len() < 2 {
        return Err(Fault::reply(&format!("{name}.log() requires two arguments or more.")).into());
    }
    let level = match args.front() {
        Some(Value::Integer(n)) => Some(*n as f64),
        Some(Value::Number(x)) => Some(*x),
        _ => return Err(Fault::reply("First argument must be a number (log level).").into()),
    };
    let level = level
        .filter(|level| (0.0..LEVELS.len() as f64).contains(level))
        .ok_or_else(|| Fault::reply("Invalid log level."))?;
    let texts = (1..args.len()).filter_map(|i| fault::bytes(lua, args, i).ok());
    let text = String::from_utf8_lossy(&texts.collect::<Vec<_>>().join(&b' ')).into_owned();
    shared.server.log.write(LEVELS[level as usize].1, &text);
    Ok(())
}

fn setresp(shared: &Shared, name: &str, args: &MultiValue) -> mlua::Result<()> {
    if args.len() != 1 {
        return Err(Fault::reply(&format!("{name}.setresp() requires one argument.")).into());
    }
    let version = match args.front() {
        Some(Value::Integer(n)) => *n as f64,
        Some(Value::Number(x)) => *x,
        _ => 0.0,
    };
    if version != 2.0 && version != 3.0 {
        return Err(Fault::reply("RESP version must be 2 or 3.").into());
    }
    shared.resp3.set(u64::from(version == 3.0));
    Ok(())
}

/// Nothing is replicated; a script may say what it likes, as long as it means something.
fn set_repl(name: &str, args: &MultiValue) -> mlua::Result<()> {
    if args.len() != 1 {
        return Err(Fault::reply(&format!("{name}.set_repl() requires one argument.")).into());
    }
    let flags = match args.front() {
        Some(Value::Integer(n)) => *n,
        Some(Value::Number(x)) => *x as i64,
        _ => -1,
    };
    if flags & !3 != 0 {
        let why = "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return Err(Fault::reply(why).into());
    }
    Ok(())
}

//! `cjson`: settings, and the functions that change them. Reading is in `decode`, writing in `encode`.

use super::decode::decode;
use super::encode::encode;
use crate::script::fault::{self, type_name};
use mlua::{Lua, MultiValue, Table, Value};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How numbers that are none (`nan`, `inf`) are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    Refuse,
    Write,
    Null,
}

/// What one table `cjson` is set to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Excessively sparse arrays become objects; else they are refused.
    pub(super) sparse_convert: bool,
    /// An array is excessively sparse if its largest index exceeds this many times its elements (0: never) …
    pub(super) sparse_ratio: i64,
    /// … and this.
    pub(super) sparse_safe: i64,
    pub(super) encode_max_depth: i64,
    pub(super) decode_max_depth: i64,
    pub(super) encode_invalid: Invalid,
    pub(super) decode_invalid: bool,
    pub(super) precision: i64,
    keep_buffer: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_max_depth: 1000,
            decode_max_depth: 1000,
            encode_invalid: Invalid::Refuse,
            decode_invalid: true,
            precision: 14,
            keep_buffer: true,
        }
    }
}

type Cell = Arc<Mutex<Settings>>;

fn lock(cell: &Cell) -> MutexGuard<'_, Settings> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The table `cjson`.
pub(in crate::script) fn json(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let cell = Cell::default();
    let own = cell.clone();
    let write = move |lua: &Lua, args: MultiValue| match args.front() {
        Some(value) if args.len() == 1 => encode(lua, *lock(&own), value),
        _ => Err(fault::argument(lua, 1, "expected 1 argument")),
    };
    table.raw_set("encode", lua.create_function(write)?)?;
    let own = cell.clone();
    let read = move |lua: &Lua, args: MultiValue| {
        if args.len() != 1 {
            return Err(fault::argument(lua, 1, "expected 1 argument"));
        }
        decode(lua, *lock(&own), &fault::bytes(lua, &args, 0)?)
    };
    table.raw_set("decode", lua.create_function(read)?)?;
    switches(lua, &table, &cell)?;
    numbers(lua, &table, &cell)?;
    // Another such table, with settings of its own.
    table.raw_set("new", lua.create_function(|lua, ()| json(lua))?)?;
    table.raw_set("null", Value::NULL)?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    Ok(table)
}

fn option(lua: &Lua, args: &MultiValue, i: usize, words: &[&str]) -> mlua::Result<Option<usize>> {
    match args.get(i) {
        None | Some(Value::Nil) => Ok(None),
        Some(Value::Boolean(yes)) => Ok(Some(usize::from(*yes))),
        Some(Value::String(word)) => {
            let word = word.to_string_lossy();
            let found = words.iter().position(|known| *known == word);
            let why = || fault::argument(lua, i + 1, &format!("invalid option '{word}'"));
            found.map(Some).ok_or_else(why)
        }
        other => {
            let why = format!("string expected, got {}", type_name(other));
            Err(fault::argument(lua, i + 1, &why))
        }
    }
}

fn integer(
    lua: &Lua,
    args: &MultiValue,
    i: usize,
    setting: &mut i64,
    min: i64,
    max: i64,
) -> mlua::Result<i64> {
    if !matches!(args.get(i), None | Some(Value::Nil)) {
        let value = fault::number(lua, args, i)? as i64;
        if !(min..=max).contains(&value) {
            let why = format!("expected integer between {min} and {max}");
            return Err(fault::argument(lua, 1, &why));
        }
        *setting = value;
    }
    Ok(*setting)
}

fn at_most(lua: &Lua, args: &MultiValue, count: usize) -> mlua::Result<()> {
    match args.len() > count {
        true => Err(fault::argument(lua, count + 1, "found too many arguments")),
        false => Ok(()),
    }
}

const ON_OFF: &[&str] = &["off", "on"];

fn switches(lua: &Lua, table: &Table, cell: &Cell) -> mlua::Result<()> {
    let own = cell.clone();
    let keep_buffer = move |lua: &Lua, args: MultiValue| {
        at_most(lua, &args, 1)?;
        let mut settings = lock(&own);
        if let Some(choice) = option(lua, &args, 0, ON_OFF)? {
            settings.keep_buffer = choice != 0;
        }
        Ok(settings.keep_buffer)
    };
    table.raw_set("encode_keep_buffer", lua.create_function(keep_buffer)?)?;
    let own = cell.clone();
    let decode_invalid = move |lua: &Lua, args: MultiValue| {
        at_most(lua, &args, 1)?;
        let mut settings = lock(&own);
        if let Some(choice) = option(lua, &args, 0, ON_OFF)? {
            settings.decode_invalid = choice != 0;
        }
        Ok(settings.decode_invalid)
    };
    table.raw_set("decode_invalid_numbers", lua.create_function(decode_invalid)?)?;
    let own = cell.clone();
    let encode_invalid = move |lua: &Lua, args: MultiValue| {
        at_most(lua, &args, 1)?;
        let mut settings = lock(&own);
        if let Some(choice) = option(lua, &args, 0, &["off", "on", "null"])? {
            settings.encode_invalid = [Invalid::Refuse, Invalid::Write, Invalid::Null][choice];
        }
        match settings.encode_invalid {
            Invalid::Null => lua.create_string("null").map(Value::String),
            other => Ok(Value::Boolean(other == Invalid::Write)),
        }
    };
    table.raw_set("encode_invalid_numbers", lua.create_function(encode_invalid)?)
}

/// Picks one setting.
type Field = fn(&mut Settings) -> &mut i64;

fn numbers(lua: &Lua, table: &Table, cell: &Cell) -> mlua::Result<()> {
    let most = i64::from(i32::MAX);
    let rows: [(&str, Field, i64); 3] = [
        ("encode_max_depth", |settings| &mut settings.encode_max_depth, most),
        ("decode_max_depth", |settings| &mut settings.decode_max_depth, most),
        ("encode_number_precision", |settings| &mut settings.precision, 14),
    ];
    for (name, field, max) in rows {
        let own = cell.clone();
        let set = move |lua: &Lua, args: MultiValue| {
            at_most(lua, &args, 1)?;
            integer(lua, &args, 0, field(&mut lock(&own)), 1, max)
        };
        table.raw_set(name, lua.create_function(set)?)?;
    }
    let own = cell.clone();
    let sparse = move |lua: &Lua, args: MultiValue| {
        at_most(lua, &args, 3)?;
        let mut settings = lock(&own);
        if let Some(choice) = option(lua, &args, 0, ON_OFF)? {
            settings.sparse_convert = choice != 0;
        }
        let ratio = integer(lua, &args, 1, &mut settings.sparse_ratio, 0, most)?;
        let safe = integer(lua, &args, 2, &mut settings.sparse_safe, 0, most)?;
        Ok((settings.sparse_convert, ratio, safe))
    };
    table.raw_set("encode_sparse_array", lua.create_function(sparse)?)
}

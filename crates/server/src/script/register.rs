//! `redis.register_function`: what the code of a library calls while it is loaded, and the names it finds then.

use super::fault::Fault;
use super::flags::Flags;
use super::interpreter::Shared;
use super::libraries::{FunctionInfo, is_name};
use mlua::{Function, Lua, MultiValue, Table, Value};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A function that the code has registered.
pub(super) struct Registered {
    pub(super) info: FunctionInfo,
    pub(super) function: Function,
}

/// What has been registered since loading began; `None`: nothing is being loaded.
#[derive(Default)]
pub(super) struct Loading(Mutex<Option<Vec<Registered>>>);

impl Loading {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<Registered>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn begin(&self) {
        *self.lock() = Some(Vec::new());
    }
    pub(super) fn end(&self) -> Vec<Registered> {
        self.lock().take().unwrap_or_default()
    }
}

/// The table `redis` or `server` that the code of a library finds while it is loaded, made of the one that functions find.
pub(super) fn load_table(
    lua: &Lua,
    shared: &Arc<Shared>,
    full: &Table,
    name: &'static str,
) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for pair in full.pairs::<String, Value>() {
        let (field, value) = pair?;
        if field == "log"
            || matches!(value, Value::Integer(_) | Value::Number(_) | Value::String(_))
        {
            table.raw_set(field, value)?;
        }
    }
    let own = shared.clone();
    let register = lua.create_function(move |_, args: MultiValue| {
        let found = if args.len() == 1 { named(name, &args)? } else { positional(name, &args)? };
        let mut loading = own.loading.lock();
        let Some(registered) = loading.as_mut() else {
            return Err(refuse(name, "{name} can only be called on FUNCTION LOAD command").into());
        };
        let known = &found.info.name;
        if registered.iter().any(|other| other.info.name.eq_ignore_ascii_case(known)) {
            return Err(Fault::reply("Function already exists in the library").into());
        }
        registered.push(found);
        Ok(())
    })?;
    table.raw_set("register_function", register)?;
    Ok(table)
}

/// `{name}` in the text is the function's full name.
fn refuse(api: &str, text: &str) -> Fault {
    Fault::reply(&text.replace("{name}", &format!("{api}.register_function")))
}

fn text_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(n) => Some(n.to_string().into_bytes()),
        Value::Number(x) => Some(super::number::general(*x, 14).into_bytes()),
        _ => None,
    }
}

const BAD_NAME: &str = "Function names can only contain letters, numbers, or underscores(_) and must be at least one character long";

fn checked(name: &[u8]) -> Result<String, Fault> {
    match is_name(name) {
        true => Ok(String::from_utf8_lossy(name).into_owned()),
        false => Err(Fault::reply(BAD_NAME)),
    }
}

fn positional(api: &str, args: &MultiValue) -> Result<Registered, Fault> {
    let (Some(name), Some(function), 2) = (args.front(), args.get(1), args.len()) else {
        return Err(refuse(api, "wrong number of arguments to {name}"));
    };
    let name =
        text_of(name).ok_or_else(|| refuse(api, "first argument to {name} must be a string"))?;
    let Value::Function(function) = function else {
        return Err(refuse(api, "second argument to {name} must be a function"));
    };
    let info = FunctionInfo { name: checked(&name)?, description: None, flags: Flags::default() };
    Ok(Registered { info, function: function.clone() })
}

fn named(api: &str, args: &MultiValue) -> Result<Registered, Fault> {
    let Some(Value::Table(table)) = args.front() else {
        let text = "calling {name} with a single argument is only applicable to Lua table (representing named arguments).";
        return Err(refuse(api, text));
    };
    let (mut name, mut function, mut description, mut flags) = (None, None, None, Flags::default());
    for pair in table.pairs::<Value, Value>() {
        let (field, value) = pair.map_err(|error| Fault::reply(&error.to_string()))?;
        let field = match field {
            Value::String(field) => field.to_string_lossy(),
            _ => return Err(refuse(api, "named argument key given to {name} is not a string")),
        };
        let must = |what: &str| {
            refuse(api, &format!("{field} argument given to {{name}} must be a {what}"))
        };
        match field.as_str() {
            "function_name" => name = Some(text_of(&value).ok_or_else(|| must("string"))?),
            "description" => description = Some(text_of(&value).ok_or_else(|| must("string"))?),
            "callback" => match value {
                Value::Function(given) => function = Some(given),
                _ => return Err(must("function")),
            },
            "flags" => flags = flags_of(api, &value)?,
            _ => return Err(refuse(api, "unknown argument given to {name}")),
        }
    }
    let name = name.ok_or_else(|| refuse(api, "{name} must get a function name argument"))?;
    let function = function.ok_or_else(|| refuse(api, "{name} must get a callback argument"))?;
    Ok(Registered { info: FunctionInfo { name: checked(&name)?, description, flags }, function })
}

fn flags_of(api: &str, value: &Value) -> Result<Flags, Fault> {
    let Value::Table(names) = value else {
        let text = "flags argument to {name} must be a table representing function flags";
        return Err(refuse(api, text));
    };
    let mut flags = Flags::default();
    for i in 1..=names.raw_len() {
        let flag = match names.raw_get(i) {
            Ok(Value::String(name)) => Flags::named(&name.as_bytes()),
            _ => None,
        };
        flags = flags.with(flag.ok_or_else(|| Fault::reply("unknown flag given"))?);
    }
    Ok(flags)
}

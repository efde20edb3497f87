//! [`Fault`]: why one of the server's functions ends the script that called it, in the words that scripts know.
//!
//! | fault | what `pcall` gives the script | what the client is told |
//! |---|---|---|
//! | `Text` | a string, the place in front | `ERR` and the string |
//! | `Reply` | a table with `err` | the text, code word included |
//! | `Ended` | nothing: it cannot be caught | see [`End`] |

use super::interpreter::PRELUDE;
use mlua::{Error, Lua, MultiValue, Value};
use std::fmt;

/// Why a script is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// SCRIPT KILL.
    ScriptKill,
    /// FUNCTION KILL.
    FunctionKill,
    /// It takes long and goes on, from its beginning, on a thread of its own.
    Moved,
    /// The server stops.
    Stopping,
    /// FUNCTION LOAD took too long.
    LoadTimeout,
}

/// Why a function of the server's failed.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Text(Vec<u8>),
    Reply {
        text: Vec<u8>,
        /// INFO has counted the error already.
        counted: bool,
    },
    Ended(End),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Text(text) | Fault::Reply { text, .. } => {
                f.write_str(&String::from_utf8_lossy(text))
            }
            Fault::Ended(end) => write!(f, "the script was ended: {end:?}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error::external(fault)
    }
}

impl Fault {
    /// The fault inside an error that has come through Lua, if there is one.
    pub(super) fn of(error: &Error) -> Option<&Fault> {
        match error {
            Error::ExternalError(error) => error.downcast_ref(),
            Error::CallbackError { cause, .. } | Error::WithContext { cause, .. } => {
                Fault::of(cause)
            }
            _ => None,
        }
    }
    /// `ERR` and this text, as a table with `err`.
    pub(super) fn reply(text: &str) -> Fault {
        Fault::Reply { text: format!("ERR {text}").into_bytes(), counted: false }
    }
}

/// A string as Lua's own library raises it: the place of the call in front.
pub(super) fn text(lua: &Lua, message: &str) -> Error {
    Fault::Text(format!("{}{message}", place(lua)).into_bytes()).into()
}

/// Frames of the prelude, and of tail calls, above the script's at the most.
const MAX_OWN_FRAMES: usize = 3;

/// `user_script:3: `, where the script has called the running function.
fn place(lua: &Lua) -> String {
    let of_script = |level| {
        let told = lua.inspect_stack(level, |frame| {
            let (line, source) = (frame.current_line()?, frame.source());
            let is_own = source.source.as_deref() == Some(PRELUDE);
            (!is_own).then(|| format!("{}:{line}: ", source.short_src.unwrap_or_default()))
        });
        told.flatten()
    };
    (1..=1 + MAX_OWN_FRAMES).find_map(of_script).unwrap_or_default()
}

/// A bad argument, as Lua's own library complains of one.
pub(super) fn argument(lua: &Lua, number: usize, why: &str) -> Error {
    let name = lua
        .inspect_stack(0, |frame| frame.names().name.map(|name| name.into_owned()))
        .flatten()
        .unwrap_or_else(|| "?".into());
    text(lua, &format!("bad argument #{number} to '{name}' ({why})"))
}

/// As `type` names it.
pub(super) fn type_name(value: Option<&Value>) -> &'static str {
    match value {
        None => "no value",
        Some(Value::Nil) => "nil",
        Some(Value::Boolean(_)) => "boolean",
        Some(Value::Integer(_) | Value::Number(_)) => "number",
        Some(Value::String(_)) => "string",
        Some(Value::Table(_)) => "table",
        Some(Value::Function(_)) => "function",
        Some(Value::Thread(_)) => "thread",
        Some(_) => "userdata",
    }
}

/// Argument `i`, counted from 0, as a number; strings that look like one are.
pub(super) fn number(lua: &Lua, args: &MultiValue, i: usize) -> mlua::Result<f64> {
    let found = match args.get(i) {
        Some(Value::Integer(n)) => Some(*n as f64),
        Some(Value::Number(x)) => Some(*x),
        Some(value @ Value::String(_)) => lua.coerce_number(value.clone())?,
        _ => None,
    };
    found.ok_or_else(|| {
        argument(lua, i + 1, &format!("number expected, got {}", type_name(args.get(i))))
    })
}

/// Argument `i`, counted from 0, as bytes; numbers become text.
pub(super) fn bytes(lua: &Lua, args: &MultiValue, i: usize) -> mlua::Result<Vec<u8>> {
    match args.get(i) {
        Some(Value::String(text)) => Ok(text.as_bytes().to_vec()),
        Some(Value::Integer(n)) => Ok(super::number::general(*n as f64, 14).into_bytes()),
        Some(Value::Number(x)) => Ok(super::number::general(*x, 14).into_bytes()),
        other => Err(argument(lua, i + 1, &format!("string expected, got {}", type_name(other)))),
    }
}

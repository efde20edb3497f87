//! Replies as Lua values: what `redis.call` returns.
//!
//! | reply | Lua |
//! |---|---|
//! | `:` | number |
//! | `$` | string; a null is `false` |
//! | `+`, `-` | `{ok=…}`, `{err=…}` |
//! | `*` | table from 1 on; a null is `false` |
//! | `_` | `nil` |
//! | `%`, `~` | `{map={…}}`, `{set={… = true}}` |
//! | `,` | `{double=…}` |
//! | `#` | boolean |
//! | `(`, `=` | `{big_number=…}`, `{verbatim_string={format=…, string=…}}` |
//! | <code>&#124;</code> | left out; the reply behind it counts |

use mlua::{Lua, Value};

/// Reads the reply at the beginning of `bytes`, which is whole: the server has written it.
pub(super) fn to_lua(lua: &Lua, bytes: &[u8]) -> mlua::Result<Value> {
    Reader { lua, rest: bytes }.value()
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> &'a [u8] {
        let end = self.rest.windows(2).position(|pair| pair == b"\r\n").unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        line
    }
    fn number(&mut self) -> i64 {
        let line = self.line();
        crate::resp::strict_integer(line).unwrap_or(0)
    }
    fn text(&mut self, len: i64) -> &'a [u8] {
        let len = (len.max(0) as usize).min(self.rest.len());
        let text = &self.rest[..len];
        self.rest = self.rest.get(len + 2..).unwrap_or_default();
        text
    }
    fn string(&mut self, bytes: &[u8]) -> mlua::Result<Value> {
        self.lua.create_string(bytes).map(Value::String)
    }
    fn labelled(&mut self, label: &str, value: Value) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(label, value)?;
        Ok(Value::Table(table))
    }

    fn value(&mut self) -> mlua::Result<Value> {
        let Some((kind, rest)) = self.rest.split_first() else { return Ok(Value::Nil) };
        self.rest = rest;
        match kind {
            b':' => Ok(Value::Number(self.number() as f64)),
            b'$' => match self.number() {
                -1 => Ok(Value::Boolean(false)),
                len => {
                    let text = self.text(len);
                    self.string(text)
                }
            },
            b'+' => self.line_as("ok"),
            b'-' => self.line_as("err"),
            b'(' => self.line_as("big_number"),
            b'*' | b'>' => match self.number() {
                -1 => Ok(Value::Boolean(false)),
                len => self.array(len),
            },
            b'_' => {
                self.line();
                Ok(Value::Nil)
            }
            b'#' => Ok(Value::Boolean(self.line() == b"t")),
            b',' => {
                let text = String::from_utf8_lossy(self.line()).into_owned();
                self.labelled("double", Value::Number(text.parse().unwrap_or(f64::NAN)))
            }
            b'=' => self.verbatim(),
            b'%' => self.map(),
            b'~' => self.set(),
            b'|' => {
                for _ in 0..2 * self.number() {
                    self.value()?;
                }
                self.value()
            }
            _ => Ok(Value::Nil),
        }
    }

    fn line_as(&mut self, label: &str) -> mlua::Result<Value> {
        let line = self.line();
        let text = self.string(line)?;
        self.labelled(label, text)
    }

    fn array(&mut self, len: i64) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(len.clamp(0, 1 << 20) as usize, 0)?;
        for i in 1..=len {
            let value = self.value()?;
            table.raw_set(i, value)?;
        }
        Ok(Value::Table(table))
    }

    fn verbatim(&mut self) -> mlua::Result<Value> {
        let len = self.number();
        let text = self.text(len);
        let (format, text) = text.split_at_checked(4).unwrap_or((b"txt:", text));
        let table = self.lua.create_table()?;
        table.raw_set("format", self.string(&format[..3])?)?;
        table.raw_set("string", self.string(text)?)?;
        self.labelled("verbatim_string", Value::Table(table))
    }

    fn map(&mut self) -> mlua::Result<Value> {
        let len = self.number();
        let table = self.lua.create_table_with_capacity(0, len.clamp(0, 1 << 20) as usize)?;
        for _ in 0..len {
            let (name, value) = (self.value()?, self.value()?);
            if !name.is_nil() {
                table.raw_set(name, value)?;
            }
        }
        self.labelled("map", Value::Table(table))
    }

    fn set(&mut self) -> mlua::Result<Value> {
        let len = self.number();
        let table = self.lua.create_table_with_capacity(0, len.clamp(0, 1 << 20) as usize)?;
        for _ in 0..len {
            let member = self.value()?;
            if !member.is_nil() {
                table.raw_set(member, true)?;
            }
        }
        self.labelled("set", Value::Table(table))
    }
}

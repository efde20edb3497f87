//! `cjson.encode`: Lua values as JSON.
//!
//! A table is an array if it has elements and all its keys are whole numbers above 0; holes are `null`. Any other table is an object.

use super::json::{Invalid, Settings};
use crate::script::fault::{self, type_name};
use crate::script::number::general;
use mlua::{Lua, LuaString, Table, Value};

/// Deepest nesting written, whatever the settings: it is the stack's.
const MAX_DEPTH: i64 = 1000;

pub(super) fn encode(lua: &Lua, settings: Settings, value: &Value) -> mlua::Result<LuaString> {
    let mut writer = Writer { lua, settings, json: Vec::new() };
    writer.value(value, 0)?;
    lua.create_string(&writer.json)
}

struct Writer<'l> {
    lua: &'l Lua,
    settings: Settings,
    json: Vec<u8>,
}

impl Writer<'_> {
    fn refuse(&self, value: &Value, why: &str) -> mlua::Error {
        let name = type_name(Some(value));
        fault::text(self.lua, &format!("Cannot serialise {name}: {why}"))
    }

    fn value(&mut self, value: &Value, depth: i64) -> mlua::Result<()> {
        match value {
            Value::String(text) => self.string(&text.as_bytes()),
            Value::Integer(_) | Value::Number(_) => return self.number(value),
            Value::Boolean(true) => self.json.extend_from_slice(b"true"),
            Value::Boolean(false) => self.json.extend_from_slice(b"false"),
            Value::Table(table) => return self.table(table, depth + 1),
            Value::Nil => self.json.extend_from_slice(b"null"),
            Value::LightUserData(data) if data.0.is_null() => {
                self.json.extend_from_slice(b"null");
            }
            _ => return Err(self.refuse(value, "type not supported")),
        }
        Ok(())
    }

    fn number(&mut self, value: &Value) -> mlua::Result<()> {
        let x = match value {
            Value::Integer(n) => *n as f64,
            Value::Number(x) => *x,
            _ => return Err(self.refuse(value, "type not supported")),
        };
        let text = match self.settings.encode_invalid {
            Invalid::Refuse if !x.is_finite() => {
                return Err(self.refuse(value, "must not be NaN or Inf"));
            }
            Invalid::Null if !x.is_finite() => "null".to_owned(),
            Invalid::Write if x.is_nan() => "nan".to_owned(),
            _ => general(x, self.settings.precision as usize),
        };
        self.json.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.json.reserve(text.len() + 2);
        self.json.push(b'"');
        for byte in text {
            match byte {
                b'"' | b'\\' | b'/' => self.json.extend_from_slice(&[b'\\', *byte]),
                8 => self.json.extend_from_slice(b"\\b"),
                9 => self.json.extend_from_slice(b"\\t"),
                10 => self.json.extend_from_slice(b"\\n"),
                12 => self.json.extend_from_slice(b"\\f"),
                13 => self.json.extend_from_slice(b"\\r"),
                0..=31 | 127 => {
                    self.json.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                }
                _ => self.json.push(*byte),
            }
        }
        self.json.push(b'"');
    }

    fn table(&mut self, table: &Table, depth: i64) -> mlua::Result<()> {
        if depth > self.settings.encode_max_depth.min(MAX_DEPTH) {
            let text = format!("Cannot serialise, excessive nesting ({depth})");
            return Err(fault::text(self.lua, &text));
        }
        match self.array_length(table)? {
            Some(length) if length > 0 => {
                self.json.push(b'[');
                for i in 1..=length {
                    if i > 1 {
                        self.json.push(b',');
                    }
                    let element: Value = table.raw_get(i)?;
                    self.value(&element, depth)?;
                }
                self.json.push(b']');
                Ok(())
            }
            _ => self.object(table, depth),
        }
    }

    /// The largest index of a table that has only indices; refuses an array with too many holes.
    fn array_length(&self, table: &Table) -> mlua::Result<Option<i64>> {
        let (mut largest, mut count) = (0.0_f64, 0_i64);
        for pair in table.pairs::<Value, Value>() {
            let key = match pair?.0 {
                Value::Integer(n) => n as f64,
                Value::Number(x) => x,
                _ => return Ok(None),
            };
            if key < 1.0 || key != key.trunc() {
                return Ok(None);
            }
            largest = largest.max(key);
            count += 1;
        }
        let Settings { sparse_convert, sparse_ratio, sparse_safe, .. } = self.settings;
        let is_sparse = sparse_ratio > 0
            && largest > (count.saturating_mul(sparse_ratio)) as f64
            && largest > sparse_safe as f64;
        match is_sparse {
            true if sparse_convert => Ok(None),
            true => Err(fault::text(self.lua, "Cannot serialise table: excessively sparse array")),
            false => Ok(Some(largest as i64)),
        }
    }

    fn object(&mut self, table: &Table, depth: i64) -> mlua::Result<()> {
        self.json.push(b'{');
        let mut is_first = true;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            if !is_first {
                self.json.push(b',');
            }
            is_first = false;
            match &key {
                Value::String(name) => self.string(&name.as_bytes()),
                Value::Integer(_) | Value::Number(_) => {
                    self.json.push(b'"');
                    self.number(&key)?;
                    self.json.push(b'"');
                }
                _ => return Err(self.refuse(&key, "table key must be a number or string")),
            }
            self.json.push(b':');
            self.value(&value, depth)?;
        }
        self.json.push(b'}');
        Ok(())
    }
}

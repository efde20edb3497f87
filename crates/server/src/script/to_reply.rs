//! Lua values as replies: what a script returns.
//!
//! | Lua | reply |
//! |---|---|
//! | string | bulk string |
//! | number | integer, cut |
//! | `true`, `false` | 1 and null; booleans after `redis.setresp(3)` |
//! | `{err=…}`, `{ok=…}` | error, status |
//! | `{double=…}`, `{map=…}`, `{set=…}`, `{big_number=…}`, `{verbatim_string=…}` | what they say |
//! | table | array, up to the first `nil` |
//! | anything else | null |
//!
//! Metatables are not asked.

use crate::resp::Reply;
use mlua::{Lua, Table, Value};

/// Tables within tables that are still answered.
const MAX_DEPTH: usize = 1000;

/// A table whose parts, from 1 on, are being written: the parts stay in Lua, which gives out a few thousand handles at most.
struct Open {
    parts: Table,
    written: usize,
    count: usize,
}

/// Writes what a script returned.
pub(super) struct Writer<'o> {
    pub(super) lua: &'o Lua,
    pub(super) out: &'o mut Reply,
    /// The script said `redis.setresp(3)`.
    pub(super) resp3: bool,
    /// The reply is an error that INFO has counted already.
    pub(super) counted: bool,
}

impl Writer<'_> {
    /// Writes a value, and what is inside it: each table still open has its remaining parts on a stack.
    pub(super) fn write(&mut self, value: Value) -> mlua::Result<()> {
        let mut open: Vec<Open> = Vec::new();
        let mut next = Some(value);
        loop {
            match next.take() {
                Some(Value::Table(_)) if open.len() >= MAX_DEPTH => {
                    self.out.error("ERR reached lua stack limit");
                }
                Some(Value::Table(table)) => open.extend(self.table(table)?),
                Some(value) => self.scalar(&value),
                None => match open.last_mut() {
                    None => return Ok(()),
                    Some(last) if last.written == last.count => drop(open.pop()),
                    Some(last) => {
                        last.written += 1;
                        next = Some(last.parts.raw_get(last.written)?);
                    }
                },
            }
        }
    }

    fn scalar(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.out.bulk(&text.as_bytes()),
            Value::Integer(n) => self.out.integer(*n),
            // As C cuts it: what does not fit is the least number.
            Value::Number(x) if (-9.3e18..9.2e18).contains(x) => self.out.integer(*x as i64),
            Value::Number(_) => self.out.integer(i64::MIN),
            Value::Boolean(yes) if self.resp3 => self.out.boolean(*yes),
            Value::Boolean(true) => self.out.integer(1),
            _ => self.out.null(),
        }
    }

    /// Writes a table that is a reply of its own, or a header whose parts are returned.
    fn table(&mut self, table: Table) -> mlua::Result<Option<Open>> {
        if let Value::String(text) = table.raw_get("err")? {
            self.counted |=
                matches!(table.raw_get("ignore_error_stats_update")?, Value::Boolean(true));
            self.out.error_bytes(&text.as_bytes());
            return Ok(None);
        }
        if let Value::String(text) = table.raw_get("ok")? {
            self.out.simple_bytes(&text.as_bytes());
            return Ok(None);
        }
        match table.raw_get("double")? {
            Value::Number(x) => return self.wrote(|out| out.double(x)),
            Value::Integer(n) => return self.wrote(|out| out.double(n as f64)),
            _ => {}
        }
        if let Value::Table(map) = table.raw_get("map")? {
            let (parts, mut count) = (self.lua.create_table()?, 0);
            for pair in map.pairs::<Value, Value>() {
                let (name, value) = pair?;
                parts.raw_set(count + 1, name)?;
                parts.raw_set(count + 2, value)?;
                count += 2;
            }
            self.out.map(count / 2);
            return Ok(Some(Open { parts, written: 0, count }));
        }
        if let Value::Table(set) = table.raw_get("set")? {
            let (parts, mut count) = (self.lua.create_table()?, 0);
            for pair in set.pairs::<Value, Value>() {
                count += 1;
                parts.raw_set(count, pair?.0)?;
            }
            self.out.set(count);
            return Ok(Some(Open { parts, written: 0, count }));
        }
        if let Value::String(digits) = table.raw_get("big_number")? {
            let digits = String::from_utf8_lossy(&digits.as_bytes()).replace(['\r', '\n'], " ");
            return self.wrote(|out| out.big_number(&digits));
        }
        if let Value::Table(verbatim) = table.raw_get("verbatim_string")?
            && let Value::String(text) = verbatim.raw_get("string")?
            && let Value::String(format) = verbatim.raw_get("format")?
        {
            let text = String::from_utf8_lossy(&text.as_bytes()).into_owned();
            let format = String::from_utf8_lossy(&format.as_bytes()).into_owned();
            let format: String = format.chars().chain("   ".chars()).take(3).collect();
            return self.wrote(|out| out.verbatim(&format, &text));
        }
        let mut count = 0;
        while !matches!(table.raw_get(count + 1)?, Value::Nil) {
            count += 1;
        }
        self.out.array(count);
        Ok(Some(Open { parts: table, written: 0, count }))
    }

    fn wrote(&mut self, write: impl FnOnce(&mut Reply)) -> mlua::Result<Option<Open>> {
        write(self.out);
        Ok(None)
    }
}

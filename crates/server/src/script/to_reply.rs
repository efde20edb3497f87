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
use mlua::{Table, Value};

/// Tables within tables that are still answered.
const MAX_DEPTH: usize = 1000;

/// Writes what a script returned.
pub(super) struct Writer<'o> {
    pub(super) out: &'o mut Reply,
    /// The script said `redis.setresp(3)`.
    pub(super) resp3: bool,
    /// The reply is an error that INFO has counted already.
    pub(super) counted: bool,
}

impl Writer<'_> {
    pub(super) fn write(&mut self, value: &Value, depth: usize) -> mlua::Result<()> {
        match value {
            Value::String(text) => self.out.bulk(&text.as_bytes()),
            Value::Integer(n) => self.out.integer(*n),
            // As C cuts it: what does not fit is the least number.
            Value::Number(x) if (-9.3e18..9.2e18).contains(x) => self.out.integer(*x as i64),
            Value::Number(_) => self.out.integer(i64::MIN),
            Value::Boolean(yes) if self.resp3 => self.out.boolean(*yes),
            Value::Boolean(true) => self.out.integer(1),
            Value::Table(_) if depth >= MAX_DEPTH => self.out.error("ERR reached lua stack limit"),
            Value::Table(table) => return self.table(table, depth),
            _ => self.out.null(),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        if let Value::String(text) = table.raw_get("err")? {
            self.counted |=
                matches!(table.raw_get("ignore_error_stats_update")?, Value::Boolean(true));
            self.out.error_bytes(&text.as_bytes());
            return Ok(());
        }
        if let Value::String(text) = table.raw_get("ok")? {
            self.out.simple_bytes(&text.as_bytes());
            return Ok(());
        }
        match table.raw_get("double")? {
            Value::Number(x) => return self.wrote(|out| out.double(x)),
            Value::Integer(n) => return self.wrote(|out| out.double(n as f64)),
            _ => {}
        }
        if let Value::Table(map) = table.raw_get("map")? {
            let pairs = map.pairs::<Value, Value>().collect::<mlua::Result<Vec<_>>>()?;
            self.out.map(pairs.len());
            for (name, value) in &pairs {
                self.write(name, depth + 1)?;
                self.write(value, depth + 1)?;
            }
            return Ok(());
        }
        if let Value::Table(set) = table.raw_get("set")? {
            let members = set.pairs::<Value, Value>().collect::<mlua::Result<Vec<_>>>()?;
            self.out.set(members.len());
            return members.iter().try_for_each(|(member, _)| self.write(member, depth + 1));
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
            let format: String = String::from_utf8_lossy(&format.as_bytes())
                .chars()
                .chain("   ".chars())
                .take(3)
                .collect();
            return self.wrote(|out| out.verbatim(&format, &text));
        }
        self.array(table, depth)
    }

    fn wrote(&mut self, write: impl FnOnce(&mut Reply)) -> mlua::Result<()> {
        write(self.out);
        Ok(())
    }

    fn array(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        let mut values: Vec<Value> = Vec::new();
        loop {
            match table.raw_get(values.len() + 1)? {
                Value::Nil => break,
                value => values.push(value),
            }
        }
        self.out.array(values.len());
        values.iter().try_for_each(|value| self.write(value, depth + 1))
    }
}

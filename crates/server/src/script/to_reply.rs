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
    /// Writes a value, and what is inside it: each table still open has its remaining parts on a stack.
    pub(super) fn write(&mut self, value: Value) -> mlua::Result<()> {
        let mut open = vec![vec![value].into_iter()];
        while let Some(parts) = open.last_mut() {
            let Some(value) = parts.next() else {
                open.pop();
                continue;
            };
            if let Value::Table(table) = value {
                if open.len() > MAX_DEPTH {
                    self.out.error("ERR reached lua stack limit");
                } else if let Some(parts) = self.table(&table)? {
                    open.push(parts.into_iter());
                }
            } else {
                self.scalar(&value);
            }
        }
        Ok(())
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
    fn table(&mut self, table: &Table) -> mlua::Result<Option<Vec<Value>>> {
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
            let pairs = map.pairs::<Value, Value>().collect::<mlua::Result<Vec<_>>>()?;
            self.out.map(pairs.len());
            return Ok(Some(pairs.into_iter().flat_map(|(name, value)| [name, value]).collect()));
        }
        if let Value::Table(set) = table.raw_get("set")? {
            let members = set.pairs::<Value, Value>().map(|pair| Ok(pair?.0));
            let members = members.collect::<mlua::Result<Vec<_>>>()?;
            self.out.set(members.len());
            return Ok(Some(members));
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
        let mut values: Vec<Value> = Vec::new();
        loop {
            match table.raw_get(values.len() + 1)? {
                Value::Nil => break,
                value => values.push(value),
            }
        }
        self.out.array(values.len());
        Ok(Some(values))
    }

    fn wrote(&mut self, write: impl FnOnce(&mut Reply)) -> mlua::Result<Option<Vec<Value>>> {
        write(self.out);
        Ok(None)
    }
}

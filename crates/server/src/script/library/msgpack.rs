//! `cmsgpack`: Lua values as MessagePack and back.
//!
//! A table whose keys are 1 to n is an array, any other a map. A table in the 16th table is `nil`: so a circle ends.

use crate::script::fault;
use mlua::{Lua, LuaString, MultiValue, Table, Value};
use rmp::Marker;

/// Tables within tables that are written.
const MAX_NESTING: usize = 16;
/// Arrays and maps within each other that are read.
const MAX_DEPTH: usize = 500;

/// The table `cmsgpack`.
pub(in crate::script) fn msgpack(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", lua.create_function(pack)?)?;
    table.raw_set("unpack", lua.create_function(|lua, args| unpack(lua, &args, None, 1))?)?;
    let one = |lua: &Lua, args: MultiValue| unpack(lua, &args, Some(1), 1);
    table.raw_set("unpack_one", lua.create_function(one)?)?;
    let limited = |lua: &Lua, args: MultiValue| {
        let limit = fault::number(lua, &args, 1)? as i64;
        unpack(lua, &args, Some(limit), 2)
    };
    table.raw_set("unpack_limit", lua.create_function(limited)?)?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_DESCRIPTION", "MessagePack for Lua scripts")?;
    Ok(table)
}

fn pack(lua: &Lua, args: MultiValue) -> mlua::Result<LuaString> {
    if args.is_empty() {
        return Err(fault::argument(lua, 0, "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for value in &args {
        write(&mut out, value, 0)?;
    }
    lua.create_string(&out)
}

fn write(out: &mut Vec<u8>, value: &Value, level: usize) -> mlua::Result<()> {
    // Writing to a vector does not fail.
    let done = match value {
        Value::String(text) => {
            let text = text.as_bytes();
            let length = rmp::encode::write_str_len(out, text.len() as u32).map(|_| ());
            out.extend_from_slice(&text);
            length
        }
        Value::Boolean(yes) => {
            out.push(if *yes { 0xc3 } else { 0xc2 });
            Ok(())
        }
        Value::Integer(n) => rmp::encode::write_sint(out, *n).map(|_| ()),
        Value::Number(x) if *x == x.trunc() && x.abs() < 9.2e18 => {
            rmp::encode::write_sint(out, *x as i64).map(|_| ())
        }
        Value::Number(x) if f64::from(*x as f32) == *x => rmp::encode::write_f32(out, *x as f32),
        Value::Number(x) => rmp::encode::write_f64(out, *x),
        Value::Table(table) if level < MAX_NESTING => return write_table(out, table, level),
        _ => {
            out.push(0xc0);
            Ok(())
        }
    };
    done.map_err(|_| mlua::Error::runtime("out of memory"))
}

fn write_table(out: &mut Vec<u8>, table: &Table, level: usize) -> mlua::Result<()> {
    let (mut count, mut largest, mut is_array) = (0_usize, 0.0_f64, true);
    for pair in table.pairs::<Value, Value>() {
        let key = match pair?.0 {
            Value::Integer(n) => n as f64,
            Value::Number(x) => x,
            _ => 0.0,
        };
        is_array &= key >= 1.0 && key == key.trunc();
        largest = largest.max(key);
        count += 1;
    }
    let failed = |_| mlua::Error::runtime("out of memory");
    if is_array && largest == count as f64 {
        rmp::encode::write_array_len(out, count as u32).map_err(failed)?;
        for i in 1..=count {
            write(out, &table.raw_get(i)?, level + 1)?;
        }
        return Ok(());
    }
    rmp::encode::write_map_len(out, count as u32).map_err(failed)?;
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        write(out, &key, level + 1)?;
        write(out, &value, level + 1)?;
    }
    Ok(())
}

/// Reads at most `limit` values (`None`: all, and no offset is returned) from the offset at argument `at`.
fn unpack(lua: &Lua, args: &MultiValue, limit: Option<i64>, at: usize) -> mlua::Result<MultiValue> {
    let bytes = fault::bytes(lua, args, 0)?;
    let given = limit.is_some() && !matches!(args.get(at), None | Some(Value::Nil));
    let offset = if given { fault::number(lua, args, at)? as i64 } else { 0 };
    let all = limit.unwrap_or(0) == 0 && offset == 0;
    let most = limit.filter(|_| !all).unwrap_or(i64::MAX);
    if offset < 0 || most < 0 {
        let text = format!(
            "Invalid request to unpack with offset of {offset} and limit of {}.",
            bytes.len()
        );
        return Err(fault::text(lua, &text));
    }
    let Some(rest) = bytes.get(offset as usize..) else {
        let length = bytes.len();
        let text = format!("Start offset {offset} greater than input length {length}.");
        return Err(fault::text(lua, &text));
    };
    let mut reader = Reader { lua, rest };
    let mut values = MultiValue::new();
    while values.len() < most as usize && !reader.rest.is_empty() {
        let value = reader.value(0)?;
        values.push_back(value);
    }
    if !all {
        let next = match reader.rest.len() {
            0 => -1,
            left => (bytes.len() - left) as i64,
        };
        values.push_front(Value::Integer(next));
    }
    Ok(values)
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> mlua::Result<&'a [u8]> {
        match self.rest.split_at_checked(length) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(fault::text(self.lua, "Missing bytes in input.")),
        }
    }
    fn unsigned(&mut self, length: usize) -> mlua::Result<u64> {
        Ok(self.take(length)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }
    fn signed(&mut self, length: usize) -> mlua::Result<Value> {
        let unused = 64 - 8 * length as u32;
        let n = (self.unsigned(length)? << unused) as i64 >> unused;
        Ok(Value::Number(n as f64))
    }
    fn string(&mut self, length: u64) -> mlua::Result<Value> {
        let bytes = self.take(length as usize)?;
        self.lua.create_string(bytes).map(Value::String)
    }

    fn value(&mut self, depth: usize) -> mlua::Result<Value> {
        let marker = Marker::from_u8(self.take(1)?[0]);
        match marker {
            Marker::FixPos(n) => Ok(Value::Number(f64::from(n))),
            Marker::FixNeg(n) => Ok(Value::Number(f64::from(n))),
            Marker::Null => Ok(Value::Nil),
            Marker::True => Ok(Value::Boolean(true)),
            Marker::False => Ok(Value::Boolean(false)),
            Marker::U8 => Ok(Value::Number(self.unsigned(1)? as f64)),
            Marker::U16 => Ok(Value::Number(self.unsigned(2)? as f64)),
            Marker::U32 => Ok(Value::Number(self.unsigned(4)? as f64)),
            Marker::U64 => Ok(Value::Number(self.unsigned(8)? as f64)),
            Marker::I8 => self.signed(1),
            Marker::I16 => self.signed(2),
            Marker::I32 => self.signed(4),
            Marker::I64 => self.signed(8),
            Marker::F32 => {
                let bits = self.unsigned(4)? as u32;
                Ok(Value::Number(f64::from(f32::from_bits(bits))))
            }
            Marker::F64 => Ok(Value::Number(f64::from_bits(self.unsigned(8)?))),
            Marker::FixStr(length) => self.string(u64::from(length)),
            Marker::Str8 | Marker::Bin8 => self.long_string(1),
            Marker::Str16 | Marker::Bin16 => self.long_string(2),
            Marker::Str32 | Marker::Bin32 => self.long_string(4),
            _ => self.collection(marker, depth + 1),
        }
    }

    fn long_string(&mut self, bytes: usize) -> mlua::Result<Value> {
        let length = self.unsigned(bytes)?;
        self.string(length)
    }

    fn collection(&mut self, marker: Marker, depth: usize) -> mlua::Result<Value> {
        let (count, is_map) = match marker {
            Marker::FixArray(count) => (u64::from(count), false),
            Marker::Array16 => (self.unsigned(2)?, false),
            Marker::Array32 => (self.unsigned(4)?, false),
            Marker::FixMap(count) => (u64::from(count), true),
            Marker::Map16 => (self.unsigned(2)?, true),
            Marker::Map32 => (self.unsigned(4)?, true),
            _ => return Err(fault::text(self.lua, "Bad data format in input.")),
        };
        if depth > MAX_DEPTH {
            return Err(fault::text(self.lua, "Bad data format in input."));
        }
        let table = self.lua.create_table()?;
        for i in 1..=count {
            let key = if is_map { self.value(depth)? } else { Value::Integer(i as i64) };
            let value = self.value(depth)?;
            let is_key = !key.is_nil() && !matches!(key, Value::Number(x) if x.is_nan());
            if !is_key {
                return Err(fault::text(self.lua, "Bad data format in input."));
            }
            table.raw_set(key, value)?;
        }
        Ok(Value::Table(table))
    }
}

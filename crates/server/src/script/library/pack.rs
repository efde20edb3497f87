//! `struct`: C structures as strings.
//!
//! | option | what |
//! |---|---|
//! | `<` `>` `!n` | little or big end first, alignment |
//! | `b B h H l L T in In` | integers, signed and unsigned, of 1, 2, 8, 8 and n bytes |
//! | `f d` | floating-point numbers |
//! | `s` | a string that ends with a zero |
//! | `cn`, `c0` | n bytes; all of the string, or as many as the number before says |
//! | `x` | a byte of padding |

use crate::script::fault::{argument, bytes, number, text};
use mlua::{Lua, LuaString, MultiValue, Table, Value};

/// Largest integer and alignment.
const MAX_INTEGER_BYTES: usize = 32;
const MAX_ALIGNMENT: usize = 16;

/// The table `struct`.
pub(in crate::script) fn pack(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", lua.create_function(|lua, args| write(lua, &args))?)?;
    table.raw_set("unpack", lua.create_function(|lua, args| read(lua, &args))?)?;
    table.raw_set("size", lua.create_function(|lua, args| size(lua, &args))?)?;
    Ok(table)
}

/// A format string, read option by option.
struct Format<'l> {
    lua: &'l Lua,
    text: Vec<u8>,
    at: usize,
    big_end: bool,
    alignment: usize,
}

/// One option: its letter, its size, and the padding before it at some position.
struct Field {
    letter: u8,
    size: usize,
}

impl<'l> Format<'l> {
    fn new(lua: &'l Lua, args: &MultiValue) -> mlua::Result<Self> {
        let text = bytes(lua, args, 0)?;
        Ok(Format { lua, text, at: 0, big_end: cfg!(target_endian = "big"), alignment: 1 })
    }

    fn number(&mut self, default: usize) -> mlua::Result<usize> {
        let mut sum: Option<usize> = None;
        while let Some(digit @ b'0'..=b'9') = self.text.get(self.at) {
            let next = sum.unwrap_or(0) * 10 + usize::from(digit - b'0');
            if next > i32::MAX as usize {
                return Err(text(self.lua, "integral size overflow"));
            }
            sum = Some(next);
            self.at += 1;
        }
        Ok(sum.unwrap_or(default))
    }

    fn next(&mut self) -> mlua::Result<Option<Field>> {
        let Some(&letter) = self.text.get(self.at).filter(|letter| **letter != 0) else {
            return Ok(None);
        };
        self.at += 1;
        let size = match letter {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.number(1)?,
            b'i' | b'I' => self.number(4)?,
            _ => 0,
        };
        if matches!(letter, b'i' | b'I') && size > MAX_INTEGER_BYTES {
            let why = format!("integral size {size} is larger than limit of {MAX_INTEGER_BYTES}");
            return Err(text(self.lua, &why));
        }
        Ok(Some(Field { letter, size }))
    }

    fn padding(&self, position: usize, field: &Field) -> usize {
        if field.size == 0 || field.letter == b'c' {
            return 0;
        }
        let size = field.size.min(self.alignment);
        size.wrapping_sub(position & (size - 1)) & (size - 1)
    }

    /// What is no field but says how fields are written.
    fn control(&mut self, letter: u8) -> mlua::Result<()> {
        match letter {
            b' ' => {}
            b'>' => self.big_end = true,
            b'<' => self.big_end = false,
            b'!' => {
                let alignment = self.number(MAX_ALIGNMENT)?;
                if !alignment.is_power_of_two() {
                    let why = format!("alignment {alignment} is not a power of 2");
                    return Err(text(self.lua, &why));
                }
                self.alignment = alignment;
            }
            other => {
                let why = format!("invalid format option '{}'", char::from(other));
                return Err(argument(self.lua, 1, &why));
            }
        }
        Ok(())
    }

    fn ordered(&self, mut little: Vec<u8>) -> Vec<u8> {
        if self.big_end {
            little.reverse();
        }
        little
    }
}

fn write(lua: &Lua, args: &MultiValue) -> mlua::Result<LuaString> {
    let mut format = Format::new(lua, args)?;
    let (mut out, mut next) = (Vec::new(), 1);
    while let Some(field) = format.next()? {
        let padding = format.padding(out.len(), &field);
        out.resize(out.len() + padding, 0);
        match field.letter {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let x = number(lua, args, next)?;
                let bits = if x < 0.0 { x as i64 as u64 } else { x as u64 };
                let mut little = bits.to_le_bytes().to_vec();
                little.resize(field.size, 0);
                out.extend(format.ordered(little));
            }
            b'x' => {
                out.push(0);
                continue;
            }
            b'f' => {
                let x = number(lua, args, next)? as f32;
                out.extend(format.ordered(x.to_le_bytes().to_vec()));
            }
            b'd' => {
                let x = number(lua, args, next)?;
                out.extend(format.ordered(x.to_le_bytes().to_vec()));
            }
            b'c' | b's' => {
                let string = bytes(lua, args, next)?;
                let size = if field.size == 0 { string.len() } else { field.size };
                let Some(head) = string.get(..size) else {
                    return Err(argument(lua, next + 2, "string too short"));
                };
                out.extend_from_slice(head);
                if field.letter == b's' {
                    out.push(0);
                }
            }
            other => {
                format.control(other)?;
                continue;
            }
        }
        next += 1;
    }
    lua.create_string(&out)
}

fn read(lua: &Lua, args: &MultiValue) -> mlua::Result<MultiValue> {
    let mut format = Format::new(lua, args)?;
    let data = bytes(lua, args, 1)?;
    let given = !matches!(args.get(2), None | Some(Value::Nil));
    let first = if given { number(lua, args, 2)? } else { 1.0 };
    if first < 1.0 {
        return Err(argument(lua, 3, "offset must be 1 or greater"));
    }
    let mut at = first as usize - 1;
    let mut found = MultiValue::new();
    let short = || argument(lua, 2, "data string too short");
    let slice = |at: usize, size: usize| {
        data.get(at..at.saturating_add(size)).map(<[u8]>::to_vec).ok_or_else(short)
    };
    while let Some(field) = format.next()? {
        at += format.padding(at, &field);
        let mut size = field.size;
        let part = slice(at, size)?;
        match field.letter {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let is_signed = field.letter.is_ascii_lowercase();
                found.push_back(Value::Number(integer(&format.ordered(part), is_signed)));
            }
            b'x' => {}
            b'f' => {
                let bytes = format.ordered(part).try_into().unwrap_or_default();
                found.push_back(Value::Number(f64::from(f32::from_le_bytes(bytes))));
            }
            b'd' => {
                let bytes = format.ordered(part).try_into().unwrap_or_default();
                found.push_back(Value::Number(f64::from_le_bytes(bytes)));
            }
            b'c' => {
                let mut part = part;
                if size == 0 {
                    let Some(Value::Number(count)) = found.pop_back() else {
                        return Err(text(lua, "format 'c0' needs a previous size"));
                    };
                    size = count as usize;
                    part = slice(at, size)?;
                }
                found.push_back(Value::String(lua.create_string(part)?));
            }
            b's' => {
                let rest = data.get(at..).ok_or_else(short)?;
                let Some(length) = rest.iter().position(|byte| *byte == 0) else {
                    return Err(text(lua, "unfinished string in data"));
                };
                found.push_back(Value::String(lua.create_string(&rest[..length])?));
                size = length + 1;
            }
            other => format.control(other)?,
        }
        at += size;
    }
    found.push_back(Value::Integer(at as i64 + 1));
    Ok(found)
}

/// An integer of any size, its lowest 64 bits, little end first.
fn integer(little: &[u8], is_signed: bool) -> f64 {
    let low = little.iter().take(8).rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    if !is_signed {
        return low as f64;
    }
    let unused = 64 - 8 * little.len().clamp(1, 8) as u32;
    ((low << unused) as i64 >> unused) as f64
}

fn size(lua: &Lua, args: &MultiValue) -> mlua::Result<usize> {
    let mut format = Format::new(lua, args)?;
    let mut position = 0;
    while let Some(field) = format.next()? {
        position += format.padding(position, &field);
        match (field.letter, field.size) {
            (b's', _) => return Err(argument(lua, 1, "option 's' has no fixed size")),
            (b'c', 0) => return Err(argument(lua, 1, "option 'c0' has no fixed size")),
            (letter, _) if !letter.is_ascii_alphanumeric() => format.control(letter)?,
            _ => {}
        }
        position += field.size;
    }
    Ok(position)
}

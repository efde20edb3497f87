//! `bit`: operations on 32-bit integers, as Lua BitOp defines them.

use crate::script::fault::number;
use mlua::{Lua, MultiValue, Table};

/// What a double becomes: its lowest 32 bits, by the addition that brings them to the end of the mantissa.
fn wrap(x: f64) -> i32 {
    (x + 6_755_399_441_055_744.0).to_bits() as u32 as i32
}

fn argument(lua: &Lua, args: &MultiValue, i: usize) -> mlua::Result<i32> {
    number(lua, args, i).map(wrap)
}

fn unary(lua: &Lua, f: fn(i32) -> i32) -> mlua::Result<mlua::Function> {
    lua.create_function(move |lua, args: MultiValue| Ok(f(argument(lua, &args, 0)?)))
}

fn shift(lua: &Lua, f: fn(u32, u32) -> u32) -> mlua::Result<mlua::Function> {
    lua.create_function(move |lua, args: MultiValue| {
        let (x, by) = (argument(lua, &args, 0)?, argument(lua, &args, 1)?);
        Ok(f(x as u32, by as u32 & 31) as i32)
    })
}

fn fold(lua: &Lua, f: fn(i32, i32) -> i32) -> mlua::Result<mlua::Function> {
    lua.create_function(move |lua, args: MultiValue| {
        let first = argument(lua, &args, 0)?;
        (1..args.len()).try_fold(first, |sum, i| Ok(f(sum, argument(lua, &args, i)?)))
    })
}

fn tohex(lua: &Lua, args: MultiValue) -> mlua::Result<String> {
    let x = argument(lua, &args, 0)?;
    let digits = if args.len() > 1 { argument(lua, &args, 1)? } else { 8 };
    let width = digits.unsigned_abs().min(8) as usize;
    let text = format!("{x:08x}");
    let text = &text[8 - width..];
    Ok(if digits < 0 { text.to_uppercase() } else { text.to_owned() })
}

/// The table `bit`.
pub(in crate::script) fn bits(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("tobit", unary(lua, |x| x)?)?;
    table.raw_set("bnot", unary(lua, |x| !x)?)?;
    table.raw_set("bswap", unary(lua, i32::swap_bytes)?)?;
    table.raw_set("band", fold(lua, |a, b| a & b)?)?;
    table.raw_set("bor", fold(lua, |a, b| a | b)?)?;
    table.raw_set("bxor", fold(lua, |a, b| a ^ b)?)?;
    table.raw_set("lshift", shift(lua, |x, by| x << by)?)?;
    table.raw_set("rshift", shift(lua, |x, by| x >> by)?)?;
    table.raw_set("arshift", shift(lua, |x, by| (x as i32 >> by) as u32)?)?;
    table.raw_set("rol", shift(lua, u32::rotate_left)?)?;
    table.raw_set("ror", shift(lua, u32::rotate_right)?)?;
    table.raw_set("tohex", lua.create_function(tohex)?)?;
    Ok(table)
}

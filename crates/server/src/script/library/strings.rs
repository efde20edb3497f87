//! The functions of `string` that can take long in one call: `rep`, `find`, `match`, `gmatch`, `gsub`.
//!
//! They do what Lua 5.1's do, but look at the clock as a script's instructions do, so that a script leaves its loop and can be killed
//! in them too; see [`pattern`](super::pattern). A `gsub` with a function is written in Lua (the prelude), over `search`.

use super::pattern::{Capture, Matcher, Wrong};
use crate::script::fault::{self, Fault};
use crate::script::interpreter::{Shared, look};
use crate::script::watch::HEAVY_BYTES;
use mlua::{Error, Function, IntoLua, Lua, LuaString, MultiValue, Table, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that make a pattern one.
const SPECIALS: &[u8] = b"^$*+?.([%-";

/// The functions by name.
pub(in crate::script) fn strings(lua: &Lua, shared: &Arc<Shared>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let add = |name: &str, run: fn(&Lua, &MultiValue, &Shared) -> mlua::Result<MultiValue>| {
        let own = shared.clone();
        table.raw_set(name, lua.create_function(move |lua, args| run(lua, &args, &own))?)
    };
    add("rep", rep)?;
    add("find", |lua, args, shared| find(lua, args, shared, true))?;
    add("match", |lua, args, shared| find(lua, args, shared, false))?;
    add("search", search)?;
    add("gsub", gsub)?;
    let own = shared.clone();
    let gmatch = lua.create_function(move |lua, args: MultiValue| gmatch(lua, &args, &own))?;
    table.raw_set("gmatch", gmatch)?;
    Ok(table)
}

/// Argument `i`, counted from 0, as bytes, without copying those of a string.
enum Text {
    Lua(LuaString),
    Own(Vec<u8>),
}

impl Text {
    fn of(lua: &Lua, args: &MultiValue, i: usize) -> mlua::Result<Text> {
        match args.get(i) {
            Some(Value::String(text)) => Ok(Text::Lua(text.clone())),
            _ => fault::bytes(lua, args, i).map(Text::Own),
        }
    }
    fn with<T>(&self, f: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Text::Lua(text) => f(&text.as_bytes()),
            Text::Own(text) => f(text),
        }
    }
}

fn rep(lua: &Lua, args: &MultiValue, shared: &Shared) -> mlua::Result<MultiValue> {
    let text = Text::of(lua, args, 0)?;
    let times = fault::number(lua, args, 1)?.trunc().clamp(0.0, u32::MAX.into()) as usize;
    let repeated = text.with(|text| {
        let bytes = text.len().checked_mul(times).ok_or_else(too_much)?;
        if bytes > HEAVY_BYTES {
            let limit = shared.server.settings().script_max_memory;
            if limit > 0 && bytes > limit {
                return Err(too_much());
            }
            shared.watch.weigh(bytes)?;
        }
        let mut repeated = Vec::new();
        repeated.try_reserve_exact(bytes).map_err(|_| too_much())?;
        if text.len() == 1 {
            repeated.resize(bytes, text[0]);
        } else {
            (0..times).for_each(|_| repeated.extend_from_slice(text));
        }
        Ok::<_, Error>(repeated)
    })?;
    one(lua, lua.create_string(repeated)?)
}

/// As Lua says it.
fn too_much() -> Error {
    Fault::Text(b"not enough memory".to_vec()).into()
}

fn one(lua: &Lua, value: impl IntoLua) -> mlua::Result<MultiValue> {
    Ok(MultiValue::from_vec(vec![value.into_lua(lua)?]))
}

/// `find` and `match`: the first match from a place on.
fn find(lua: &Lua, args: &MultiValue, shared: &Shared, is_find: bool) -> mlua::Result<MultiValue> {
    let (text, pattern) = (Text::of(lua, args, 0)?, Text::of(lua, args, 1)?);
    let init = match args.get(2) {
        None | Some(Value::Nil) => 1.0,
        _ => fault::number(lua, args, 2)?.trunc(),
    };
    let is_plain = !matches!(args.get(3), None | Some(Value::Nil | Value::Boolean(false)));
    text.with(|text| {
        pattern.with(|pattern| {
            let from = match init {
                init if init < 0.0 => (text.len() as f64 + init).max(0.0) as usize,
                init => (init as usize).saturating_sub(1).min(text.len()),
            };
            let until_nul = pattern.split(|byte| *byte == 0).next().unwrap_or(&[]);
            if is_find && (is_plain || !until_nul.iter().any(|byte| SPECIALS.contains(byte))) {
                return plain(lua, text, pattern, from);
            }
            let look = || look(shared).map(drop);
            let mut matcher = Matcher::new(text, pattern, &look);
            match seek(lua, &mut matcher, from, pattern.first() == Some(&b'^'))? {
                None => one(lua, Value::Nil),
                Some((from, to)) => {
                    let mut found = MultiValue::new();
                    if is_find {
                        found.push_back(Value::Integer(from as i64 + 1));
                        found.push_back(Value::Integer(to as i64));
                    }
                    caught(lua, &matcher, (!is_find).then_some((from, to)), &mut found)?;
                    Ok(found)
                }
            }
        })
    })
}

fn plain(lua: &Lua, text: &[u8], wanted: &[u8], from: usize) -> mlua::Result<MultiValue> {
    let place = memchr::memmem::find(&text[from..], wanted).map(|at| from + at);
    match place {
        None => one(lua, Value::Nil),
        Some(at) => Ok(MultiValue::from_vec(vec![
            Value::Integer(at as i64 + 1),
            Value::Integer((at + wanted.len()) as i64),
        ])),
    }
}

/// For loops: begin and end of the first match from a place on, all counted from 0, and what it has caught.
fn search(lua: &Lua, args: &MultiValue, shared: &Shared) -> mlua::Result<MultiValue> {
    let (text, pattern) = (Text::of(lua, args, 0)?, Text::of(lua, args, 1)?);
    let from = fault::number(lua, args, 2)? as usize;
    text.with(|text| {
        pattern.with(|pattern| {
            let look = || look(shared).map(drop);
            let mut matcher = Matcher::new(text, pattern, &look);
            let is_anchored = pattern.first() == Some(&b'^');
            match seek(lua, &mut matcher, from.min(text.len()), is_anchored)? {
                None => one(lua, Value::Nil),
                Some((from, to)) => {
                    let places = [from, to].map(|at| Value::Integer(at as i64));
                    let mut found = MultiValue::from_vec(places.to_vec());
                    caught(lua, &matcher, Some((from, to)), &mut found)?;
                    Ok(found)
                }
            }
        })
    })
}

/// Begin and end of the first match from `from` on.
fn seek(
    lua: &Lua,
    matcher: &mut Matcher<'_>,
    from: usize,
    is_anchored: bool,
) -> mlua::Result<Option<(usize, usize)>> {
    let last = if is_anchored { from } else { matcher.text.len() };
    for at in from..=last {
        if let Some(end) = matcher.at(at, is_anchored.into()).map_err(|wrong| told(lua, wrong))? {
            return Ok(Some((at, end)));
        }
    }
    Ok(None)
}

fn told(lua: &Lua, wrong: Wrong) -> Error {
    match wrong {
        Wrong::Ended(error) => error,
        Wrong::Pattern(why) => fault::text(lua, why),
    }
}

/// Adds what the pattern has caught; without captures, the match itself, if it is given.
fn caught(
    lua: &Lua,
    matcher: &Matcher<'_>,
    whole: Option<(usize, usize)>,
    found: &mut MultiValue,
) -> mlua::Result<()> {
    if let (true, Some((from, to))) = (matcher.captures().is_empty(), whole) {
        found.push_back(lua.create_string(&matcher.text[from..to])?.into_lua(lua)?);
    }
    for capture in matcher.captures() {
        found.push_back(value_of(lua, matcher, *capture)?);
    }
    Ok(())
}

fn value_of(lua: &Lua, matcher: &Matcher<'_>, capture: (usize, Capture)) -> mlua::Result<Value> {
    match capture {
        (_, Capture::Open) => Err(told(lua, Wrong::Pattern("unfinished capture"))),
        (at, Capture::Place) => Ok(Value::Integer(at as i64 + 1)),
        (at, Capture::Until(to)) => lua.create_string(&matcher.text[at..to])?.into_lua(lua),
    }
}

/// An iterator over matches; `^` is a byte like others in it.
fn gmatch(lua: &Lua, args: &MultiValue, shared: &Arc<Shared>) -> mlua::Result<Function> {
    let (text, pattern) = (Text::of(lua, args, 0)?, Text::of(lua, args, 1)?);
    let (place, shared) = (Mutex::new(0), shared.clone());
    lua.create_function(move |lua, ()| {
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        text.with(|text| {
            pattern.with(|pattern| {
                let look = || look(&shared).map(drop);
                let mut matcher = Matcher::new(text, pattern, &look);
                if *place > text.len() {
                    return one(lua, Value::Nil);
                }
                let Some((from, to)) = seek(lua, &mut matcher, *place, false)? else {
                    *place = text.len() + 1;
                    return one(lua, Value::Nil);
                };
                *place = if to == from { to + 1 } else { to };
                let mut found = MultiValue::new();
                caught(lua, &matcher, Some((from, to)), &mut found)?;
                Ok(found)
            })
        })
    })
}

/// `gsub` with a text or a table.
fn gsub(lua: &Lua, args: &MultiValue, shared: &Shared) -> mlua::Result<MultiValue> {
    let (text, pattern) = (Text::of(lua, args, 0)?, Text::of(lua, args, 1)?);
    let by = match args.get(2) {
        Some(Value::Table(table)) => By::Table(table.clone()),
        Some(Value::String(_) | Value::Integer(_) | Value::Number(_)) => {
            By::Text(fault::bytes(lua, args, 2)?)
        }
        _ => return Err(fault::argument(lua, 3, "string/function/table expected")),
    };
    let most = match args.get(3) {
        None | Some(Value::Nil) => usize::MAX,
        _ => fault::number(lua, args, 3)?.max(0.0) as usize,
    };
    let (replaced, count) = text.with(|text| {
        pattern.with(|pattern| {
            let look = || look(shared).map(drop);
            let is_anchored = pattern.first() == Some(&b'^');
            let mut matcher = Matcher::new(text, pattern, &look);
            let (mut out, mut at, mut count) = (Vec::new(), 0, 0);
            while count < most {
                let end = matcher.at(at, is_anchored.into()).map_err(|wrong| told(lua, wrong))?;
                if let Some(end) = end {
                    count += 1;
                    by.put(lua, &matcher, (at, end), &mut out)?;
                    shared.watch.weigh(out.len())?;
                }
                match end {
                    Some(end) if end > at => at = end,
                    _ if at < text.len() => {
                        out.push(text[at]);
                        at += 1;
                    }
                    _ => break,
                }
                if is_anchored {
                    break;
                }
            }
            out.extend_from_slice(&text[at..]);
            Ok::<_, Error>((out, count))
        })
    })?;
    let replaced = lua.create_string(replaced)?.into_lua(lua)?;
    Ok(MultiValue::from_vec(vec![replaced, Value::Integer(count as i64)]))
}

/// What a match is replaced by.
enum By {
    Text(Vec<u8>),
    Table(Table),
}

impl By {
    fn put(
        &self,
        lua: &Lua,
        matcher: &Matcher<'_>,
        whole: (usize, usize),
        out: &mut Vec<u8>,
    ) -> mlua::Result<()> {
        match self {
            By::Text(text) => fill_in(lua, text, matcher, whole, out),
            By::Table(table) => {
                let first = matcher.captures().first().copied();
                let key = first.unwrap_or((whole.0, Capture::Until(whole.1)));
                let value: Value = table.get(value_of(lua, matcher, key)?)?;
                match value {
                    Value::Nil | Value::Boolean(false) => {
                        out.extend_from_slice(&matcher.text[whole.0..whole.1]);
                    }
                    Value::String(_) | Value::Integer(_) | Value::Number(_) => {
                        let value = MultiValue::from_vec(vec![value]);
                        out.extend_from_slice(&fault::bytes(lua, &value, 0)?);
                    }
                    other => {
                        let kind = fault::type_name(Some(&other));
                        let why = format!("invalid replacement value (a {kind})");
                        return Err(fault::text(lua, &why));
                    }
                }
                Ok(())
            }
        }
    }
}

/// A replacement's text: `%1` is what a capture has, `%0` the match, `%` before anything else that.
fn fill_in(
    lua: &Lua,
    text: &[u8],
    matcher: &Matcher<'_>,
    (from, to): (usize, usize),
    out: &mut Vec<u8>,
) -> mlua::Result<()> {
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(digit @ b'0'..=b'9') => {
                let number = usize::from(digit - b'0');
                let captures = matcher.captures();
                let what = match number.checked_sub(1) {
                    Some(i) if i < captures.len() => captures[i],
                    None | Some(0) => (from, Capture::Until(to)),
                    Some(_) => return Err(told(lua, Wrong::Pattern("invalid capture index"))),
                };
                match what {
                    (_, Capture::Open) => {
                        return Err(told(lua, Wrong::Pattern("unfinished capture")));
                    }
                    (at, Capture::Place) => out.extend_from_slice((at + 1).to_string().as_bytes()),
                    (at, Capture::Until(to)) => out.extend_from_slice(&matcher.text[at..to]),
                }
            }
            Some(other) => out.push(other),
            // C's text ends with a NUL.
            None => out.push(0),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::env::Server;
    use crate::script::Interpreter;
    use mlua::Lua;
    use std::sync::Arc;

    /// What each of the functions makes of its arguments, errors included.
    const PROBE: &str = r#"
        local text, pattern, place = ...
        local function shown(ok, ...)
            local all = { tostring(ok) }
            for i = 1, select('#', ...) do
                local value = select(i, ...)
                all[i + 1] = type(value) .. ' ' .. tostring(value)
            end
            if not ok then all[2] = all[2]:sub(-15) end
            return table.concat(all, '; ')
        end
        local function each()
            local all = {}
            for a, b in string.gmatch(text, pattern) do
                all[#all + 1] = tostring(a) .. '/' .. tostring(b)
            end
            return table.concat(all, ', ')
        end
        local seen = 0
        local function by(a, b)
            seen = seen + 1
            if seen % 3 == 0 then return nil end
            return '<' .. tostring(a) .. tostring(b) .. '>'
        end
        return table.concat({
            shown(pcall(string.find, text, pattern, place)),
            shown(pcall(string.find, text, pattern, place, true)),
            shown(pcall(string.match, text, pattern, place)),
            shown(pcall(string.gsub, text, pattern, '[%0|%1]')),
            shown(pcall(string.gsub, text, pattern, '%%%2x%', place)),
            shown(pcall(string.gsub, text, pattern, { a = 'A', b = false, ab = 3 })),
            shown(pcall(string.gsub, text, pattern, by)),
            shown(pcall(string.gsub, text, pattern, by, place)),
            shown(pcall(each)),
            shown(pcall(string.rep, text, place)),
        }, string.char(10))
    "#;

    #[test]
    fn they_do_what_luas_own_do() {
        let own = Interpreter::new(&Arc::new(Server::new())).unwrap();
        let lua = Lua::new();
        let [ours, theirs] = [&own.lua, &lua].map(|lua| lua.load(PROBE).into_function().unwrap());
        let mut random = fastrand::Rng::with_seed(7);
        let pieces = [
            "a", "b", "ab", ".", "%a", "%d", "%S", "[ab]", "[^a]", "[a-c%d]", "[]", "[]]", "[^]",
            "*", "+", "-", "?", "^", "$", "(", ")", "()", "(a)", "(.-)", "%1", "%2", "%bab",
            "%f[a]", "%f", "%", "[", "]", "\0", "%z", "1",
        ];
        let letters = ["a", "b", "c", "1", " ", ".", "%", "\0", "A", "\n", "]"];
        let (mut matches, mut errors) = (0, 0);
        for round in 0..5_000 {
            let mut some = |of: &[&str], most| {
                (0..random.usize(0..=most)).map(|_| *random.choice(of).unwrap()).collect::<String>()
            };
            let (text, pattern) = (some(&letters, 12), some(&pieces, 5));
            let place = random.i64(-14..14);
            let run = |f: &mlua::Function| f.call::<String>((&*text, &*pattern, place)).unwrap();
            let (got, wanted) = (run(&ours), run(&theirs));
            assert_eq!(got, wanted, "round {round}: {text:?}, {pattern:?}, {place}");
            matches += usize::from(got.lines().nth(2).is_some_and(|line| line.contains("string")));
            errors += usize::from(got.starts_with("false"));
        }
        assert!(matches > 500 && errors > 150, "{matches} matches, {errors} errors");
    }

    #[test]
    fn what_is_too_deep_is_refused() {
        let own = Interpreter::new(&Arc::new(Server::new())).unwrap();
        let run = |text: &str| own.lua.load(text).eval::<bool>();
        let deep = "return string.find(('a'):rep(1000), ('a?'):rep(2000)) ~= nil";
        assert!(run(deep).unwrap_err().to_string().contains("pattern too complex"));
        assert!(run("return string.find(('a'):rep(150), ('a?'):rep(150)) ~= nil").unwrap());
    }
}

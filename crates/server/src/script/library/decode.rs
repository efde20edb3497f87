//! `cjson.decode`: JSON as Lua values, with the complaints of the C library of that name.

use super::json::Settings;
use crate::script::fault;
use mlua::{Lua, Table, Value};

/// Deepest nesting read, whatever the settings: it is the stack's.
const MAX_DEPTH: i64 = 1000;

pub(super) fn decode(lua: &Lua, settings: Settings, json: &[u8]) -> mlua::Result<Value> {
    if json.len() >= 2 && (json[0] == 0 || json[1] == 0) {
        return Err(fault::text(lua, "JSON parser does not support UTF-16 or UTF-32"));
    }
    let mut reader = Reader { lua, settings, json, at: 0, depth: 0 };
    let token = reader.next();
    let value = reader.value(token)?;
    match reader.next() {
        Found { token: Token::End, .. } => Ok(value),
        found => Err(reader.unexpected("the end", &found)),
    }
}

enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(why) => why,
        }
    }
}

/// A token and where it begins.
struct Found {
    token: Token,
    at: usize,
}

struct Reader<'a> {
    lua: &'a Lua,
    settings: Settings,
    json: &'a [u8],
    at: usize,
    depth: i64,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.json.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn unexpected(&self, wanted: &str, found: &Found) -> mlua::Error {
        let (name, at) = (found.token.name(), found.at + 1);
        fault::text(self.lua, &format!("Expected {wanted} but found {name} at character {at}"))
    }

    fn next(&mut self) -> Found {
        while matches!(self.peek(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let at = self.at;
        let single = |token| Some((token, 1));
        let rest = self.json.get(at..).unwrap_or_default();
        let known = match self.peek(0) {
            b'{' => single(Token::ObjectBegin),
            b'}' => single(Token::ObjectEnd),
            b'[' => single(Token::ArrayBegin),
            b']' => single(Token::ArrayEnd),
            b',' => single(Token::Comma),
            b':' => single(Token::Colon),
            0 => Some((Token::End, 0)),
            b't' if rest.starts_with(b"true") => Some((Token::Boolean(true), 4)),
            b'f' if rest.starts_with(b"false") => Some((Token::Boolean(false), 5)),
            b'n' if rest.starts_with(b"null") => Some((Token::Null, 4)),
            _ => None,
        };
        if let Some((token, length)) = known {
            self.at += length;
            return Found { token, at };
        }
        let token = match self.peek(0) {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(rest),
            b'+' | b'i' | b'I' | b'n' | b'N'
                if self.settings.decode_invalid && is_no_json_number(rest) =>
            {
                self.number(rest)
            }
            _ => Token::Error("invalid token"),
        };
        // An error inside a string is reported where it is.
        let at = if matches!(token, Token::Error(_)) { self.at } else { at };
        Found { token, at }
    }

    fn number(&mut self, rest: &[u8]) -> Token {
        if !self.settings.decode_invalid && is_no_json_number(rest) {
            return Token::Error("invalid number");
        }
        match read_number(rest) {
            Some((x, length)) => {
                self.at += length;
                Token::Number(x)
            }
            None => Token::Error("invalid number"),
        }
    }

    fn string(&mut self) -> Token {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match self.peek(0) {
                b'"' => break,
                0 => return Token::Error("unexpected end of string"),
                b'\\' => {
                    let plain = match self.peek(1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 8,
                        b't' => 9,
                        b'n' => 10,
                        b'f' => 12,
                        b'r' => 13,
                        b'u' => match self.unicode() {
                            Some((c, length)) => {
                                let mut utf8 = [0; 4];
                                push_code_point(c, &mut utf8, &mut text);
                                self.at += length;
                                continue;
                            }
                            None => return Token::Error("invalid unicode escape code"),
                        },
                        _ => return Token::Error("invalid escape code"),
                    };
                    text.push(plain);
                    self.at += 2;
                }
                byte => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Token::String(text)
    }

    /// The code point of the escape here, and the escape's length; two surrogates are one.
    fn unicode(&self) -> Option<(u32, usize)> {
        let four = |from: usize| {
            let digits = self.json.get(self.at + from..self.at + from + 4)?;
            digits.iter().try_fold(0, |sum, c| Some(sum * 16 + (*c as char).to_digit(16)?))
        };
        let high = four(2)?;
        match high {
            0xd800..=0xdbff => {
                if self.peek(6) != b'\\' || self.peek(7) != b'u' {
                    return None;
                }
                let low = four(8).filter(|low| (0xdc00..=0xdfff).contains(low))?;
                Some(((high & 0x3ff) << 10 | (low & 0x3ff)).checked_add(0x10000).zip(Some(12))?)
            }
            0xdc00..=0xdfff => None,
            _ => Some((high, 6)),
        }
    }

    fn descend(&mut self) -> mlua::Result<()> {
        self.depth += 1;
        if self.depth > self.settings.decode_max_depth.min(MAX_DEPTH) {
            let (depth, at) = (self.depth, self.at);
            let text = format!("Found too many nested data structures ({depth}) at character {at}");
            return Err(fault::text(self.lua, &text));
        }
        Ok(())
    }

    fn value(&mut self, found: Found) -> mlua::Result<Value> {
        match found.token {
            Token::String(text) => self.lua.create_string(text).map(Value::String),
            Token::Number(x) => Ok(Value::Number(x)),
            Token::Boolean(yes) => Ok(Value::Boolean(yes)),
            Token::Null => Ok(Value::NULL),
            Token::ObjectBegin => self.object().map(Value::Table),
            Token::ArrayBegin => self.array().map(Value::Table),
            _ => Err(self.unexpected("value", &found)),
        }
    }

    fn object(&mut self) -> mlua::Result<Table> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut found = self.next();
        if !matches!(found.token, Token::ObjectEnd) {
            loop {
                let Token::String(name) = &found.token else {
                    return Err(self.unexpected("object key string", &found));
                };
                let name = self.lua.create_string(name)?;
                found = self.next();
                if !matches!(found.token, Token::Colon) {
                    return Err(self.unexpected("colon", &found));
                }
                found = self.next();
                let value = self.value(found)?;
                table.raw_set(name, value)?;
                found = self.next();
                match found.token {
                    Token::ObjectEnd => break,
                    Token::Comma => found = self.next(),
                    _ => return Err(self.unexpected("comma or object end", &found)),
                }
            }
        }
        self.depth -= 1;
        Ok(table)
    }

    fn array(&mut self) -> mlua::Result<Table> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut found = self.next();
        if !matches!(found.token, Token::ArrayEnd) {
            for i in 1.. {
                let value = self.value(found)?;
                table.raw_set(i, value)?;
                found = self.next();
                match found.token {
                    Token::ArrayEnd => break,
                    Token::Comma => found = self.next(),
                    _ => return Err(self.unexpected("comma or array end", &found)),
                }
            }
        }
        self.depth -= 1;
        Ok(table)
    }
}

/// Appends a code point that is no surrogate.
fn push_code_point(code: u32, utf8: &mut [u8; 4], text: &mut Vec<u8>) {
    let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    text.extend_from_slice(c.encode_utf8(utf8).as_bytes());
}

/// What C reads as a number though JSON has no such: a plus sign, leading zeros, hexadecimal digits, `inf`, `nan`.
fn is_no_json_number(text: &[u8]) -> bool {
    if text.first() == Some(&b'+') {
        return true;
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let lower: Vec<u8> = text.iter().take(3).map(u8::to_ascii_lowercase).collect();
    match lower.as_slice() {
        [b'0', b'x' | b'0'..=b'9', ..] => true,
        [b'0'..=b'9', ..] => false,
        other => other == b"inf" || other == b"nan",
    }
}

/// The number at the beginning, as C's `strtod` reads it, and its length.
fn read_number(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let body = &text[sign..];
    let negate = |x: f64| if text[0] == b'-' { -x } else { x };
    let starts = |word: &str| {
        body.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
    };
    if starts("infinity") || starts("inf") {
        let length = if starts("infinity") { 8 } else { 3 };
        return Some((negate(f64::INFINITY), sign + length));
    }
    if starts("nan") {
        return Some((f64::NAN, sign + 3));
    }
    if starts("0x") {
        let digits = body[2..].iter().take_while(|c| c.is_ascii_hexdigit()).count();
        let digit = |c: &u8| f64::from((*c as char).to_digit(16).unwrap_or(0));
        let x = body[2..2 + digits].iter().fold(0.0, |sum, c| sum * 16.0 + digit(c));
        return Some((negate(x), sign + if digits > 0 { 2 + digits } else { 1 }));
    }
    let digits = |from: usize| {
        body.get(from..).map_or(0, |b| b.iter().take_while(|c| c.is_ascii_digit()).count())
    };
    let mut end = digits(0);
    let whole = end;
    if body.get(end) == Some(&b'.') && digits(end + 1) + whole > 0 {
        end += 1 + digits(end + 1);
    }
    if end == 0 {
        return None;
    }
    if matches!(body.get(end), Some(b'e' | b'E')) {
        let signed = usize::from(matches!(body.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits(end + 1 + signed);
        if exponent > 0 {
            end += 1 + signed + exponent;
        }
    }
    let x: f64 = std::str::from_utf8(&body[..end]).ok()?.parse().ok()?;
    Some((negate(x), sign + end))
}

//! [`Matcher`]: Lua 5.1's patterns, with a bound on how deep a match nests and a look at the clock while it runs.
//!
//! Lua's own matcher recurses as deep as a pattern is long, which ends the process when its stack is full, and a pattern made for it
//! (`a?a?a?…aaa…`) keeps it busy for ever where nothing can interrupt it.
//!
//! | item | matches |
//! |---|---|
//! | a byte, `.`, `%a` and its like, `[set]` | one such byte; with `*` `+` `-` `?` more of them, or none |
//! | `%1` | what that capture has |
//! | `%bxy` | from `x` to the `y` that closes it |
//! | `%f[set]` | nothing, between a byte outside the set and one inside |
//! | `(…)`, `()` | a capture of bytes, or of the position |
//!
//! A NUL ends a pattern, as in C.
//!
//! Source: the Lua 5.1 Reference Manual, 5.4.1.

/// Captures of one pattern: Lua's `LUA_MAXCAPTURES`.
pub(super) const MAX_CAPTURES: usize = 32;
/// Items that may be tried one inside the other, as in later versions of Lua.
const MAX_DEPTH: u32 = 200;
/// Bytes tried between two looks at the clock.
const LOOK_EVERY: usize = 20_000;

/// What one pair of parentheses has caught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Capture {
    /// Its end is not met yet.
    #[default]
    Open,
    /// As far as that.
    Until(usize),
    /// The place itself.
    Place,
}

/// Why there is no answer.
pub(super) enum Wrong {
    /// The pattern is none.
    Pattern(&'static str),
    /// The script ends here.
    Ended(mlua::Error),
}

type Found<T> = Result<Option<T>, Wrong>;

/// A text and a pattern.
pub(super) struct Matcher<'m> {
    pub(super) text: &'m [u8],
    pattern: &'m [u8],
    /// Where each begins, and what it has.
    captures: [(usize, Capture); MAX_CAPTURES],
    level: usize,
    depth: u32,
    /// Bytes to be tried until the next look.
    patience: usize,
    look: &'m dyn Fn() -> mlua::Result<()>,
}

impl<'m> Matcher<'m> {
    pub(super) fn new(
        text: &'m [u8],
        pattern: &'m [u8],
        look: &'m dyn Fn() -> mlua::Result<()>,
    ) -> Self {
        let end = pattern.iter().position(|byte| *byte == 0).unwrap_or(pattern.len());
        let captures = [(0, Capture::Open); MAX_CAPTURES];
        let pattern = &pattern[..end];
        Matcher { text, pattern, captures, level: 0, depth: 0, patience: LOOK_EVERY, look }
    }

    /// Where a match that begins at `at` ends, by the pattern without its first `skipped` bytes.
    pub(super) fn at(&mut self, at: usize, skipped: usize) -> Found<usize> {
        (self.level, self.depth) = (0, 0);
        self.run(at, skipped)
    }
    /// Captures of the last match.
    pub(super) fn captures(&self) -> &[(usize, Capture)] {
        &self.captures[..self.level]
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Wrong> {
        if let Some(left) = self.patience.checked_sub(bytes) {
            self.patience = left;
            return Ok(());
        }
        self.patience = LOOK_EVERY;
        (self.look)().map_err(Wrong::Ended)
    }
    fn byte(&self, p: usize) -> Option<u8> {
        self.pattern.get(p).copied()
    }

    fn run(&mut self, s: usize, p: usize) -> Found<usize> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Wrong::Pattern("pattern too complex"));
        }
        let end = self.items(s, p);
        self.depth -= 1;
        end
    }

    fn items(&mut self, mut s: usize, mut p: usize) -> Found<usize> {
        loop {
            self.spend(1)?;
            match (self.byte(p), self.byte(p + 1)) {
                (None, _) => return Ok(Some(s)),
                (Some(b'('), Some(b')')) => return self.open(s, p + 2, Capture::Place),
                (Some(b'('), _) => return self.open(s, p + 1, Capture::Open),
                (Some(b')'), _) => return self.close(s, p + 1),
                (Some(b'$'), None) => return Ok((s == self.text.len()).then_some(s)),
                (Some(b'%'), Some(b'b')) => match self.balanced(s, p + 2)? {
                    Some(end) => (s, p) = (end, p + 4),
                    None => return Ok(None),
                },
                (Some(b'%'), Some(b'f')) => match self.frontier(s, p + 2)? {
                    Some(end) => p = end,
                    None => return Ok(None),
                },
                (Some(b'%'), Some(digit @ b'0'..=b'9')) => match self.again(s, digit)? {
                    Some(end) => (s, p) = (end, p + 2),
                    None => return Ok(None),
                },
                _ => match self.single(s, p)? {
                    Step::On(s_next, p_next) => (s, p) = (s_next, p_next),
                    Step::End(end) => return Ok(end),
                },
            }
        }
    }

    /// One byte of a class, as often as the sign behind it says.
    fn single(&mut self, s: usize, p: usize) -> Result<Step, Wrong> {
        let end = self.class_end(p)?;
        let fits = self.fits(s, p, end);
        Ok(match self.byte(end) {
            Some(b'?') => {
                if fits && let Some(found) = self.run(s + 1, end + 1)? {
                    return Ok(Step::End(Some(found)));
                }
                Step::On(s, end + 1)
            }
            Some(b'*') => Step::End(self.most(s, p, end)?),
            Some(b'+') if fits => Step::End(self.most(s + 1, p, end)?),
            Some(b'-') => Step::End(self.fewest(s, p, end)?),
            Some(b'+') => Step::End(None),
            _ if fits => Step::On(s + 1, end),
            _ => Step::End(None),
        })
    }

    fn most(&mut self, s: usize, p: usize, end: usize) -> Found<usize> {
        let mut count = 0;
        while self.fits(s + count, p, end) {
            count += 1;
        }
        self.spend(count)?;
        for count in (0..=count).rev() {
            if let Some(found) = self.run(s + count, end + 1)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn fewest(&mut self, mut s: usize, p: usize, end: usize) -> Found<usize> {
        loop {
            if let Some(found) = self.run(s, end + 1)? {
                return Ok(Some(found));
            }
            if !self.fits(s, p, end) {
                return Ok(None);
            }
            s += 1;
        }
    }

    fn open(&mut self, s: usize, p: usize, what: Capture) -> Found<usize> {
        if self.level >= MAX_CAPTURES {
            return Err(Wrong::Pattern("too many captures"));
        }
        self.captures[self.level] = (s, what);
        self.level += 1;
        let found = self.run(s, p)?;
        if found.is_none() {
            self.level -= 1;
        }
        Ok(found)
    }

    fn close(&mut self, s: usize, p: usize) -> Found<usize> {
        let is_open = |(_, what): &(usize, Capture)| *what == Capture::Open;
        let number = self.captures[..self.level].iter().rposition(is_open);
        let number = number.ok_or(Wrong::Pattern("invalid pattern capture"))?;
        self.captures[number].1 = Capture::Until(s);
        let found = self.run(s, p)?;
        if found.is_none() {
            self.captures[number].1 = Capture::Open;
        }
        Ok(found)
    }

    /// What a capture has caught, once more.
    fn again(&mut self, s: usize, digit: u8) -> Found<usize> {
        let wrong = Wrong::Pattern("invalid capture index");
        let number = usize::from(digit - b'0').wrapping_sub(1);
        let caught = match self.captures().get(number) {
            Some((from, Capture::Until(to))) => &self.text[*from..*to],
            // A place has no bytes that could come again.
            Some((_, Capture::Place)) => return Ok(None),
            _ => return Err(wrong),
        };
        let len = caught.len();
        let found = self.text[s..].starts_with(caught).then_some(s + len);
        self.spend(len)?;
        Ok(found)
    }

    fn balanced(&mut self, s: usize, p: usize) -> Found<usize> {
        let (Some(opening), Some(closing)) = (self.byte(p), self.byte(p + 1)) else {
            return Err(Wrong::Pattern("unbalanced pattern"));
        };
        if self.text.get(s) != Some(&opening) {
            return Ok(None);
        }
        let mut depth = 1;
        for (i, byte) in self.text[s + 1..].iter().enumerate() {
            if *byte == closing {
                depth -= 1;
                if depth == 0 {
                    self.spend(i)?;
                    return Ok(Some(s + i + 2));
                }
            } else if *byte == opening {
                depth += 1;
            }
        }
        self.spend(self.text.len() - s)?;
        Ok(None)
    }

    /// Where the set of a frontier ends, if the place is one.
    fn frontier(&self, s: usize, p: usize) -> Found<usize> {
        if self.byte(p) != Some(b'[') {
            return Err(Wrong::Pattern("missing '[' after '%f' in pattern"));
        }
        let end = self.class_end(p)?;
        let before = if s == 0 { 0 } else { self.text[s - 1] };
        let behind = self.text.get(s).copied().unwrap_or(0);
        let is_one = !self.in_set(before, p, end - 1) && self.in_set(behind, p, end - 1);
        Ok(is_one.then_some(end))
    }

    /// The end of the class that begins at `p`.
    fn class_end(&self, p: usize) -> Result<usize, Wrong> {
        match self.byte(p) {
            Some(b'%') if p + 1 >= self.pattern.len() => {
                Err(Wrong::Pattern("malformed pattern (ends with '%')"))
            }
            Some(b'%') => Ok(p + 2),
            Some(b'[') => {
                let mut at = if self.byte(p + 1) == Some(b'^') { p + 2 } else { p + 1 };
                loop {
                    let byte = self.byte(at);
                    at += 1;
                    match byte {
                        None => return Err(Wrong::Pattern("malformed pattern (missing ']')")),
                        Some(b'%') if at < self.pattern.len() => at += 1,
                        Some(_) => {}
                    }
                    if self.byte(at) == Some(b']') {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(p + 1),
        }
    }

    /// Whether the text has such a byte there.
    fn fits(&self, s: usize, p: usize, end: usize) -> bool {
        let Some(&byte) = self.text.get(s) else { return false };
        match self.pattern[p] {
            b'.' => true,
            b'%' => is_of_class(byte, self.pattern[p + 1]),
            b'[' => self.in_set(byte, p, end - 1),
            literal => literal == byte,
        }
    }

    /// Whether a byte is in the set from the bracket at `open` to that at `close`.
    fn in_set(&self, byte: u8, open: usize, close: usize) -> bool {
        let set = &self.pattern[..close];
        let is_negated = set.get(open + 1) == Some(&b'^');
        let mut at = open + 1 + usize::from(is_negated);
        while at < close {
            let is_in = if set[at] == b'%' && at + 1 < close {
                at += 1;
                is_of_class(byte, set[at])
            } else if set.get(at + 1) == Some(&b'-') && at + 2 < close {
                at += 2;
                (set[at - 2]..=set[at]).contains(&byte)
            } else {
                set[at] == byte
            };
            if is_in {
                return !is_negated;
            }
            at += 1;
        }
        is_negated
    }
}

/// What comes behind an item.
enum Step {
    /// The next one, there.
    On(usize, usize),
    /// Nothing: this is the end of the match, or there is none.
    End(Option<usize>),
}

fn is_of_class(byte: u8, class: u8) -> bool {
    let is_in = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    is_in != class.is_ascii_uppercase()
}

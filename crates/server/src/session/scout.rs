//! [`Scout`]: finds the requests that wait in a buffer and has the store fetch their keys, all at once.
//!
//! ```text
//! buffer    │ SET a … │ GET b │ DEL c d │ GE                (what is not whole, inline or no request is the parser's)
//! requests  └─ ranges ┴───────┴─────────┘   and which command each is
//!           next ──▶ one after the other, each parsed and its name looked up this once
//! ```
//! Between requests most of the time is waiting for memory; a pipeline's keys can be waited for together.
//!
//! Invariants:
//! 1. A scout looks from a request's first byte only, and finds a bounded number of requests: it looks at a byte once or, of a request that
//!    is not whole, once per packet.
//! 2. What it has found stands at the front of the buffer, whole, in order and of today's limits: who consumes other bytes, or goes away, has
//!    it [`forget`](Scout::forget), and found under other limits it counts for nothing.
//! 3. Which command a name stands for is known once the server has started: `rename-command` is a matter of its configuration file.
//! 4. It refuses nothing: what it cannot make out is left to the connection's parser, which says what is wrong when it is that request's turn.

use crate::command::{Command, Named, flag};
use crate::config::Renames;
use crate::resp::{ArgRange, Args, ParseLimits, Parsed, Parser};
use crate::value::Object;
use stillpoint_store::{KeyHint, Store};

/// Requests found at a time, and keys fetched at a time: what is fetched should still be there when it is used.
const MAX_REQUESTS: usize = 16;
const MAX_KEYS: usize = 32;
/// A reply of so many bytes is a long value's, or several values'; so many requests after one it is worth while to fetch values whole.
const LONG_REPLY: usize = 256;
const AFTER_LONG: u8 = 16;
/// Arguments after which no further request is looked for, and for how many the memory is kept.
const MAX_RANGES: usize = 256;

/// A request: where it ends, in the list of ranges and in the buffer from its own first byte, and what its name stands for.
struct Found {
    ranges_end: usize,
    bytes: usize,
    named: Named,
}

/// A request whose turn it is.
pub(crate) struct Next<'a> {
    pub(crate) args: Args<'a>,
    pub(crate) named: Named,
    /// Bytes that it takes.
    pub(crate) bytes: usize,
}

/// A loop's scout.
#[derive(Default)]
pub(crate) struct Scout {
    parser: Parser,
    limits: ParseLimits,
    requests: Vec<Found>,
    ranges: Vec<ArgRange>,
    /// The request that comes next, and its first range.
    next: usize,
    next_range: usize,
    /// The keys to be fetched.
    hints: Vec<KeyHint>,
    /// For so many requests replies may be expected to be long.
    long: u8,
}

impl Scout {
    /// The next request at the start of `bytes`, if there is a whole one to be found; looks for up to `most` requests, and fetches their
    /// keys, when it has none.
    pub(crate) fn next<'a>(
        &'a mut self,
        bytes: &'a [u8],
        limits: ParseLimits,
        most: usize,
        db: u8,
        (renames, store): (&Renames, &Store<Object>),
    ) -> Option<Next<'a>> {
        if self.next == self.requests.len() || self.limits != limits {
            self.look(bytes, limits, most, renames);
            if self.requests.len() > 1 {
                self.fetch(bytes, db, store);
            }
        }
        let found = self.requests.get(self.next)?;
        let ranges = &self.ranges[self.next_range..found.ranges_end];
        self.next += 1;
        self.next_range = found.ranges_end;
        if self.long > 0 {
            self.fetch_rest(store);
        }
        Some(Next { args: Args::new(bytes, ranges), named: found.named, bytes: found.bytes })
    }

    /// Gives up what has been found, and the memory for more than the usual.
    pub(crate) fn forget(&mut self) {
        self.requests.clear();
        self.ranges.clear();
        self.hints.clear();
        if self.ranges.capacity() > MAX_RANGES {
            self.ranges.shrink_to(MAX_RANGES);
        }
        (self.next, self.next_range) = (0, 0);
    }

    /// The last request's reply has so many bytes.
    #[inline]
    pub(crate) fn saw_reply(&mut self, bytes: usize) {
        self.long = if bytes >= LONG_REPLY { AFTER_LONG } else { self.long.saturating_sub(1) };
    }

    /// Of requests with a key each: fetches all of the one's value that comes after the next.
    fn fetch_rest(&self, store: &Store<Object>) {
        if self.hints.len() == self.requests.len()
            && let Some(&hint) = self.hints.get(self.next)
        {
            store.prefetch_rest(hint);
        }
    }

    fn look(&mut self, mut bytes: &[u8], limits: ParseLimits, most: usize, renames: &Renames) {
        self.forget();
        self.limits = limits;
        // A pipeline is often of one command.
        let mut last: Option<(&[u8], Named)> = None;
        // The arguments of an inline request are no part of the buffer.
        while self.requests.len() < most.min(MAX_REQUESTS)
            && self.ranges.len() < MAX_RANGES
            && bytes.first() == Some(&b'*')
            && self.parser.parse(bytes, limits) == Ok(Parsed::Request)
        {
            self.ranges.extend_from_slice(self.parser.ranges());
            let consumed = self.parser.consumed();
            let name = &bytes[self.parser.ranges()[0].within()];
            let named = match last {
                Some((last, named)) if last == name => named,
                _ => renames.lookup(name),
            };
            last = Some((name, named));
            self.requests.push(Found { ranges_end: self.ranges.len(), bytes: consumed, named });
            bytes = &bytes[consumed..];
            self.parser.reset();
        }
        self.parser.reset();
    }

    fn fetch(&mut self, mut bytes: &[u8], db: u8, store: &Store<Object>) {
        let mut from = 0;
        for found in &self.requests {
            if let Some((_, command)) = found.named {
                let args = Args::new(bytes, &self.ranges[from..found.ranges_end]);
                note_keys(args, command, db, store, &mut self.hints);
            }
            bytes = &bytes[found.bytes..];
            from = found.ranges_end;
        }
        if self.hints.len() > 1 {
            store.prefetch(&self.hints);
        }
    }
}

fn note_keys(
    args: Args<'_>,
    command: &Command,
    db: u8,
    store: &Store<Object>,
    hints: &mut Vec<KeyHint>,
) {
    let keys = command.keys;
    let Ok(first) = usize::try_from(keys.first) else { return };
    if first == 0 {
        return;
    }
    let count = args.len() as i32;
    let last = if keys.last < 0 { count + keys.last } else { keys.last.min(count - 1) };
    let writes = command.has(flag::WRITE);
    let mut i = first;
    while (i as i32) <= last && hints.len() < MAX_KEYS {
        let hint = store.hint(db, args.at(i));
        hints.push(if writes { hint.replaced() } else { hint });
        i += keys.step.max(1) as usize;
    }
}

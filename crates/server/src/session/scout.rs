//! [`Scout`]: finds the requests that wait in a buffer and has the store fetch their keys, all at once.
//!
//! ```text
//! buffer    │ SET a … │ GET b │ DEL c d │ GE                (what is not whole, inline or no request is the parser's)
//! requests  └─ ranges ┴───────┴─────────┘
//!           next ──▶ one after the other, each parsed this once
//! ```
//! Between requests most of the time is waiting for memory; a pipeline's keys can be waited for together.
//!
//! Invariants:
//! 1. A scout looks from a request's first byte only, and finds a bounded number of requests: it looks at a byte once or, of a request that
//!    is not whole, once per packet.
//! 2. What it has found stands at the front of the buffer, whole, in order and of today's limits: who consumes other bytes, or goes away, has
//!    it [`forget`](Scout::forget), and found under other limits it counts for nothing.
//! 3. It refuses nothing: what it cannot make out is left to the connection's parser, which says what is wrong when it is that request's turn.

use super::state::State;
use crate::command::{flag, lookup};
use crate::resp::{ArgRange, Args, ParseLimits, Parsed, Parser};
use crate::value::Object;
use stillpoint_store::{KeyHint, Store};

/// Requests found at a time, and keys fetched at a time: what is fetched should still be there when it is used.
const MAX_REQUESTS: usize = 16;
const MAX_KEYS: usize = 32;
/// Arguments after which no further request is looked for, and for how many the memory is kept.
const MAX_RANGES: usize = 256;

/// Where a request ends: in the list of ranges, and in the buffer, from its own first byte.
struct Found {
    ranges_end: usize,
    bytes: usize,
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
    hints: Vec<KeyHint>,
}

impl Scout {
    /// The next request at the start of `bytes` and how many of them it takes, if there is a whole one to be found; looks for up to `most`
    /// requests, and fetches their keys, when it has none.
    pub(crate) fn next<'a>(
        &'a mut self,
        bytes: &'a [u8],
        limits: ParseLimits,
        most: usize,
        state: &State,
        store: &Store<Object>,
    ) -> Option<(Args<'a>, usize)> {
        if self.next == self.requests.len() || self.limits != limits {
            self.look(bytes, limits, most);
            if self.requests.len() > 1 {
                self.fetch(bytes, state.db, store);
            }
        }
        let found = self.requests.get(self.next)?;
        let ranges = &self.ranges[self.next_range..found.ranges_end];
        self.next += 1;
        self.next_range = found.ranges_end;
        Some((Args::new(bytes, ranges), found.bytes))
    }

    /// Gives up what has been found, and the memory for more than the usual.
    pub(crate) fn forget(&mut self) {
        self.requests.clear();
        self.ranges.clear();
        if self.ranges.capacity() > MAX_RANGES {
            self.ranges.shrink_to(MAX_RANGES);
        }
        (self.next, self.next_range) = (0, 0);
    }

    fn look(&mut self, mut bytes: &[u8], limits: ParseLimits, most: usize) {
        self.forget();
        self.limits = limits;
        // The arguments of an inline request are no part of the buffer.
        while self.requests.len() < most.min(MAX_REQUESTS)
            && self.ranges.len() < MAX_RANGES
            && bytes.first() == Some(&b'*')
            && self.parser.parse(bytes, limits) == Ok(Parsed::Request)
        {
            self.ranges.extend_from_slice(self.parser.ranges());
            let consumed = self.parser.consumed();
            self.requests.push(Found { ranges_end: self.ranges.len(), bytes: consumed });
            bytes = &bytes[consumed..];
            self.parser.reset();
        }
        self.parser.reset();
    }

    fn fetch(&mut self, mut bytes: &[u8], db: u8, store: &Store<Object>) {
        self.hints.clear();
        let mut from = 0;
        for found in &self.requests {
            let args = Args::new(bytes, &self.ranges[from..found.ranges_end]);
            note_keys(args, db, store, &mut self.hints);
            bytes = &bytes[found.bytes..];
            from = found.ranges_end;
        }
        if self.hints.len() > 1 {
            store.prefetch(&self.hints);
        }
    }
}

fn note_keys(args: Args<'_>, db: u8, store: &Store<Object>, hints: &mut Vec<KeyHint>) {
    let Some((_, command)) = lookup(args.at(0)) else { return };
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

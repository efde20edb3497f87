//! [`Scout`]: looks through the requests that wait in a buffer and has the store fetch their keys, all at once.
//!
//! Between requests most of the time is waiting for memory; a pipeline's keys can be waited for together.
//!
//! Invariant: a scout starts at a request's first byte only, after a whole one, and sees a bounded number of requests: it
//! looks at a byte once or, at the buffer's end, once per packet.

use super::state::State;
use crate::command::{flag, lookup};
use crate::resp::{Args, ParseLimits, Parsed, Parser};
use crate::value::Object;
use stillpoint_store::{KeyHint, Store};

/// Requests looked through at a time, and keys fetched at a time: what is fetched should still be there when it is used.
const MAX_REQUESTS: usize = 16;
const MAX_KEYS: usize = 32;

/// A loop's scout.
#[derive(Default)]
pub(crate) struct Scout {
    parser: Parser,
    hints: Vec<KeyHint>,
}

impl Scout {
    /// Looks at the requests at the start of `bytes` and fetches their keys; tells how many it has seen, empty ones included.
    pub(crate) fn look(
        &mut self,
        mut bytes: &[u8],
        limits: ParseLimits,
        state: &State,
        store: &Store<Object>,
    ) -> usize {
        if bytes.is_empty() {
            return 0;
        }
        self.hints.clear();
        let mut seen = 0;
        while seen < MAX_REQUESTS && self.hints.len() < MAX_KEYS {
            match self.parser.parse(bytes, limits) {
                Ok(Parsed::Request) => {
                    let args = self.parser.args(bytes);
                    note_keys(args, state.db, store, &mut self.hints);
                }
                Ok(Parsed::Empty) => {}
                Ok(Parsed::Incomplete(_)) | Err(_) => break,
            }
            seen += 1;
            bytes = &bytes[self.parser.consumed()..];
            self.parser.reset();
        }
        self.parser.reset();
        if self.hints.len() > 1 {
            store.prefetch(&self.hints);
        }
        seen
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

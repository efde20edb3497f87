//! [`KeyCursor`]: the keys of an ordered index from either end of an interval, some at a time.
//!
//! ```text
//!   taken ◀─ front: some keys ─┤ start … what has not been looked at … end ├─ back: some keys ─▶ taken
//! ```
//! # Invariants
//! 1. Each key once, in strict order from either end: a look takes keys off the interval's end, and cuts the interval behind them.
//! 2. A key that is in the index from the first step to the last is met: it is in what some look takes, or in what that look cut off and had walked.
//! 3. A look pins for itself. What is kept between two steps is keys and hashes, so a cursor may be held as long as anybody likes.
//! 4. The first looks are short, as who wants the first key wants no hundred; later ones take up to [`MOST`] keys.

use super::UNCAPPED;
use crate::engine::Engine;
use crate::key_range::KeyRange;
use crate::shared_key::SharedKey;
use std::collections::VecDeque;
use std::ops::Bound;

const FEWEST: usize = 4;
const MOST: usize = 64;

/// A key that was met.
#[derive(Clone)]
pub(crate) struct FoundKey {
    pub(crate) key: SharedKey,
    pub(crate) hash: u64,
}

/// An end of an interval.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Front,
    Back,
}

pub(crate) struct KeyCursor {
    space: u8,
    rest: KeyRange,
    is_over: bool,
    front: VecDeque<FoundKey>,
    back: VecDeque<FoundKey>,
    next_look: usize,
}

impl KeyCursor {
    pub(crate) fn new(space: u8, range: KeyRange) -> Self {
        KeyCursor {
            space,
            rest: range,
            is_over: false,
            front: VecDeque::new(),
            back: VecDeque::new(),
            next_look: FEWEST,
        }
    }

    /// The next key from a side.
    pub(crate) fn peek<O: Send + Sync + 'static>(
        &mut self,
        engine: &Engine<O>,
        side: Side,
    ) -> Option<&FoundKey> {
        while !self.is_over && self.own(side).is_empty() {
            self.look(engine, side);
        }
        match side {
            Side::Front => self.front.front().or(self.back.front()),
            Side::Back => self.back.back().or(self.front.back()),
        }
    }

    /// Takes what [`peek`](Self::peek) shows.
    pub(crate) fn pop<O: Send + Sync + 'static>(
        &mut self,
        engine: &Engine<O>,
        side: Side,
    ) -> Option<FoundKey> {
        self.peek(engine, side)?;
        match side {
            Side::Front => self.front.pop_front().or_else(|| self.back.pop_front()),
            Side::Back => self.back.pop_back().or_else(|| self.front.pop_back()),
        }
    }

    fn own(&self, side: Side) -> &VecDeque<FoundKey> {
        match side {
            Side::Front => &self.front,
            Side::Back => &self.back,
        }
    }

    /// Takes keys off an end of the interval.
    fn look<O: Send + Sync + 'static>(&mut self, engine: &Engine<O>, side: Side) {
        let most = self.next_look;
        self.next_look = (2 * most).min(MOST);
        let index = engine.space(self.space);
        let guard = engine.collector.pin();
        let ordered = engine.expect_ordered(self.space);
        let mut keys = ordered.map.range::<[u8], _>(self.rest.bounds(), &guard);
        let mut seen = 0;
        while seen < most {
            let next = match side {
                Side::Front => keys.next(),
                Side::Back => keys.next_back(),
            };
            let Some(found) = next else { break };
            // Not the presence: it lies elsewhere, and would have to be waited for.
            let (key, _) = found.expect(UNCAPPED);
            let found = FoundKey { key: SharedKey::clone(key), hash: index.hash(key) };
            index.prefetch(&guard, found.hash);
            match side {
                Side::Front => self.front.push_back(found),
                Side::Back => self.back.push_front(found),
            }
            seen += 1;
        }
        // The bins of the first have come by now.
        for found in self.own(side) {
            index.prefetch_version(&guard, found.hash, false);
        }
        self.is_over = seen < most;
        let last = match side {
            Side::Front => self.front.back(),
            Side::Back => self.back.front(),
        };
        let cut = last.map(|found| Bound::Excluded(SharedKey::clone(&found.key)));
        match (side, cut) {
            (_, None) => {}
            (Side::Front, Some(cut)) => self.rest.start = cut,
            (Side::Back, Some(cut)) => self.rest.end = cut,
        }
    }
}

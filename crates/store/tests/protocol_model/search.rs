//! The search: every order of the steps of a play's processes, each state once.
//!
//! # Invariants
//! 1. Depth first, with the path on the stack; no randomness, so a play always gives the same figures and the same counterexample.
//! 2. States are remembered by a fingerprint of 128 bits: among 5 · 10^7 states the chance that two share one is below 10^-23.
//! 3. Where the next step of some process commutes with every step of all others, only that one is followed, at once (a persistent set of one): each final
//!    state is still reached. No state comes again on a path, since what makes a process repeat itself is always a step of another one that lasts.
//! 4. A play that needs more than [`MAX_STATES`] states fails its test rather than being cut short.

use crate::judge::{Judge, Violation};
use crate::play::Play;
use crate::process::{Access, Moved, step};
use crate::state::{Record, State};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};

const MAX_STATES: usize = 50_000_000;

/// What a search found out.
pub(crate) struct Outcome {
    pub(crate) states: usize,
    pub(crate) endings: usize,
    pub(crate) counterexample: Option<Counterexample>,
}

/// The steps, as (process, access), that lead to a violation.
pub(crate) struct Counterexample {
    pub(crate) violation: Violation,
    pub(crate) trace: Vec<(usize, Access)>,
    pub(crate) end: State,
}

impl Counterexample {
    /// The steps, one a line, and the answers.
    pub(crate) fn describe(&self, play: &Play) -> String {
        let steps = self.trace.iter().map(|(process, access)| {
            format!(
                "{:indent$}{process}: {} -> {:#x}\n",
                "",
                access.what,
                access.word,
                indent = 36 * process
            )
        });
        let answers = play.ops().zip(&self.end.records).enumerate().map(|(number, (op, record))| {
            let Record { ending, before, read_timestamp, .. } = record;
            format!("{number} {op:?}: {ending:?}, reads {:?} at {read_timestamp}, after {before:b}\n", record.reads())
        });
        let versions = self.end.shared.installed().iter().map(|version| format!("{version:?}\n"));
        let lines = steps.chain(answers).chain(versions).collect::<String>();
        format!("{:?} after {} steps\n{lines}", self.violation, self.trace.len())
    }
}

/// A state on the path, and what can follow.
struct Node {
    state: State,
    /// The steps that led here from the node before.
    by: Vec<(usize, Access)>,
    moves: Vec<(usize, Moved)>,
}

/// Follows every order of steps, until one leads to a violation.
pub(crate) fn search(play: &Play) -> Outcome {
    let mut judge = Judge::new(play);
    let mut seen: HashSet<u128, BuildHasherDefault<Folded>> = HashSet::default();
    let mut endings = 0;
    let start = node(play, State::new(play), Vec::new());
    seen.insert(fingerprint(&start.state));
    let mut path = vec![start];
    while let Some(top) = path.last_mut() {
        let Some((me, moved)) = top.moves.pop() else {
            path.pop();
            continue;
        };
        if !seen.insert(fingerprint(&moved.state)) {
            continue;
        }
        assert!(seen.len() <= MAX_STATES, "{}: more than {MAX_STATES} states", play.name);
        let next = node(play, moved.state, vec![(me, moved.access)]);
        if next.by.len() > 1 && !seen.insert(fingerprint(&next.state)) {
            continue;
        }
        let is_end = next.moves.is_empty();
        path.push(next);
        if is_end {
            endings += 1;
            let end = path[path.len() - 1].state;
            if let Some(violation) = judge.violation(&end) {
                let trace = path.into_iter().flat_map(|node| node.by).collect();
                let counterexample = Some(Counterexample { violation, trace, end });
                return Outcome { states: seen.len(), endings, counterexample };
            }
        }
    }
    Outcome { states: seen.len(), endings, counterexample: None }
}

/// Goes on from a state as long as some process's step commutes with all others', to the state where there is a choice.
fn node(play: &Play, mut state: State, mut by: Vec<(usize, Access)>) -> Node {
    loop {
        let mut moves = Vec::with_capacity(play.processes.len());
        for me in 0..play.processes.len() {
            let Some(moved) = step(play, &state, me) else { continue };
            let commutes = moved.commutes;
            moves.push((me, moved));
            if commutes {
                break;
            }
        }
        match moves.pop_if(|(_, moved)| moved.commutes) {
            Some((me, moved)) => {
                by.push((me, moved.access));
                state = moved.state;
            }
            None => return Node { state, by, moves },
        }
    }
}

fn fingerprint(state: &State) -> u128 {
    let mut lanes = Lanes(0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344);
    state.hash(&mut lanes);
    lanes.0 = finish(lanes.0);
    lanes.1 = finish(lanes.1);
    u128::from(lanes.0) << 64 | u128::from(lanes.1)
}

/// Two independent hashes side by side.
struct Lanes(u64, u64);

impl Lanes {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        self.1 = (self.1.rotate_left(23) ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.1 ^= self.1 >> 32;
    }
}

fn finish(mut word: u64) -> u64 {
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

impl Hasher for Lanes {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.mix(u64::from(*byte)));
    }

    fn write_u8(&mut self, word: u8) {
        self.mix(u64::from(word));
    }

    fn write_u16(&mut self, word: u16) {
        self.mix(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A fingerprint is a hash already.
#[derive(Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0 << 8 | u64::from(*byte));
    }

    fn write_u128(&mut self, word: u128) {
        self.0 = word as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

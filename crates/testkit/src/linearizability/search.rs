//! [`check`]: the search for an order that explains a history.
//!
//! ```text
//! configuration = how many calls of each thread have taken effect, and the state they left
//! due           = the earliest return among the calls that have not
//! next          = any thread's next call that began before `due`
//! ```
//! 1. A configuration is entered once.
//! 2. `frontier`: the configurations with the latest `due` so far. If nothing explains the history, nothing explains it up to that return, and
//!    everything before it is explained by them.

use super::failure::{Failure, Violation};
use super::history::{Call, History};
use super::specification::Specification;
use std::collections::{BTreeMap, HashSet};

/// Configurations after which [`check`] gives up: about 1 GB of small states.
pub const MAX_CONFIGURATIONS: usize = 5_000_000;

/// States and calls that a report shows at most.
const MAX_FRONTIER: usize = 16;

/// Whether some order of the calls explains `history`.
///
/// # Errors
/// [`Failure::NotLinearizable`] with the place where every order fails; [`Failure::Undecided`] after [`MAX_CONFIGURATIONS`].
///
/// # Panics
/// When calls of one thread overlap.
///
/// # Cost
/// See the [module's page](super).
pub fn check<S: Specification>(
    specification: &S,
    history: &History<S::Event>,
) -> Result<(), Failure<S::Event>> {
    let mut parts: BTreeMap<u64, Vec<&Call<S::Event>>> = BTreeMap::new();
    for call in history.calls() {
        parts.entry(specification.part(&call.event)).or_default().push(call);
    }
    parts.into_values().try_for_each(|calls| Search::new(specification, calls).run())
}

/// [`check`] for tests.
///
/// # Panics
/// With the report, when no order explains the history.
#[track_caller]
pub fn assert_linearizable<S: Specification>(
    specification: &S,
    history: impl Into<History<S::Event>>,
) {
    if let Err(failure) = check(specification, &history.into()) {
        panic!("{failure}");
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Configuration<S> {
    done: Box<[u32]>,
    state: S,
}

/// A configuration on the way to the current one, and the threads whose next call has not been tried in it.
struct Step<S> {
    at: Configuration<S>,
    untried: Vec<usize>,
}

struct Search<'a, S: Specification> {
    specification: &'a S,
    /// Each thread's calls, in order.
    threads: Vec<Vec<&'a Call<S::Event>>>,
    entered: HashSet<Configuration<S::State>>,
    due: u64,
    frontier: Vec<Configuration<S::State>>,
}

impl<'a, S: Specification> Search<'a, S> {
    fn new(specification: &'a S, calls: Vec<&'a Call<S::Event>>) -> Self {
        let mut threads: BTreeMap<usize, Vec<&Call<S::Event>>> = BTreeMap::new();
        for call in calls {
            threads.entry(call.thread).or_default().push(call);
        }
        for calls in threads.values_mut() {
            calls.sort_by_key(|call| call.returned);
            for pair in calls.windows(2) {
                let [first, second] = pair else { unreachable!("a window of two") };
                assert!(first.returned <= second.began, "one thread: {first:?} and {second:?}");
            }
        }
        let threads = threads.into_values().collect();
        Search { specification, threads, entered: HashSet::new(), due: 0, frontier: Vec::new() }
    }

    fn run(mut self) -> Result<(), Failure<S::Event>> {
        let done = vec![0; self.threads.len()].into_boxed_slice();
        let start = Configuration { done, state: self.specification.initial() };
        let Some(first) = self.enter(start) else { return Ok(()) };
        let mut path = vec![first];
        while let Some(step) = path.last_mut() {
            let Some(thread) = step.untried.pop() else {
                path.pop();
                continue;
            };
            let call = self.threads[thread][step.at.done[thread] as usize];
            let Some(state) = self.specification.step(&step.at.state, &call.event) else {
                continue;
            };
            let mut done = step.at.done.clone();
            done[thread] += 1;
            let at = Configuration { done, state };
            if !self.entered.insert(at.clone()) {
                continue;
            }
            if self.entered.len() > MAX_CONFIGURATIONS {
                return Err(Failure::Undecided { configurations: self.entered.len() });
            }
            match self.enter(at) {
                Some(step) => path.push(step),
                None => return Ok(()),
            }
        }
        Err(Failure::NotLinearizable(Box::new(self.violation())))
    }

    /// `None` when every call has taken effect.
    fn enter(&mut self, at: Configuration<S::State>) -> Option<Step<S::State>> {
        let due = self.open(&at).map(|(_, call)| call.returned).min()?;
        if due > self.due {
            self.due = due;
            self.frontier.clear();
        }
        if due == self.due && self.frontier.len() < MAX_FRONTIER {
            self.frontier.push(at.clone());
        }
        let mut next: Vec<_> = self.open(&at).filter(|(_, call)| call.began < due).collect();
        // Tried from the end: what returned first most likely took effect first.
        next.sort_by_key(|(_, call)| std::cmp::Reverse(call.returned));
        Some(Step { at, untried: next.into_iter().map(|(thread, _)| thread).collect() })
    }

    /// Each thread's next call.
    fn open<'s>(
        &'s self,
        at: &'s Configuration<S::State>,
    ) -> impl Iterator<Item = (usize, &'a Call<S::Event>)> + 's {
        let threads = self.threads.iter().zip(&at.done).enumerate();
        threads.filter_map(|(i, (calls, &done))| Some((i, *calls.get(done as usize)?)))
    }

    fn violation(self) -> Violation<S::Event> {
        let mut all: Vec<_> = self.threads.iter().flatten().map(|call| (*call).clone()).collect();
        all.sort_by_key(|call| call.returned);
        let at = all.iter().position(|call| call.returned == self.due);
        let unexplained = all.remove(at.expect("`due` is some call's return"));
        let under_way = all
            .iter()
            .filter(|call| call.began < unexplained.returned && call.returned > unexplained.began);
        let before = all.iter().filter(|call| call.returned <= unexplained.began);
        let mut states: Vec<_> = self.frontier.iter().map(|at| format!("{:?}", at.state)).collect();
        states.sort();
        states.dedup();
        Violation {
            under_way: under_way.cloned().collect(),
            before: before.rev().take(MAX_FRONTIER).cloned().collect(),
            unexplained,
            states,
        }
    }
}

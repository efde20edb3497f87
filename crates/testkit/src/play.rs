//! [`Play`]: random operations of a few threads on a whole structure, under shuttle's schedules, each execution's history checked.

use crate::Random;
use crate::linearizability::{Log, Recorder, Specification, assert_linearizable};
use shuttle::rand::RngCore;
use std::sync::Arc;

/// How much is played. Built with `--cfg stillpoint_shuttle`.
///
/// Half of the executions follow random schedules, half those of PCT (Burckhardt and others, ASPLOS 2010), which change a thread's turn only
/// [`depth`](Play::depth) times, at random places, and so reach what needs a long way without a switch. A failure prints shuttle's schedule for
/// replay, and the history's report.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// Threads that call the structure.
    pub threads: usize,
    /// Calls of each.
    pub calls: usize,
    /// Executions.
    pub executions: usize,
    /// Switches in a PCT schedule.
    pub depth: usize,
}

impl Default for Play {
    fn default() -> Self {
        Play { threads: 3, calls: 6, executions: 1_000, depth: 3 }
    }
}

impl Play {
    /// In each execution `make` makes a structure, every thread lets `call` call it, once a time, and the history is held against
    /// `specification`. What `make` returned is dropped inside the execution; a [`DropCounter`](crate::DropCounter) in it can look back.
    ///
    /// # Panics
    /// When no order of an execution's calls explains it, or shuttle finds a deadlock or a panic.
    pub fn check<S, T>(
        self,
        specification: S,
        make: impl Fn() -> T + Send + Sync + 'static,
        call: impl Fn(&T, &mut Random, &mut Log<S::Event>) + Send + Sync + 'static,
    ) where
        S: Specification + Send + Sync + 'static,
        S::Event: Send + 'static,
        T: Send + Sync + 'static,
    {
        let execution = Arc::new(move || self.execute(&specification, &make, &call));
        let again = execution.clone();
        let half = self.executions.div_ceil(2);
        shuttle::check_random(move || execution(), half);
        shuttle::check_pct(move || again(), half, self.depth);
    }

    fn execute<S, T>(
        self,
        specification: &S,
        make: &impl Fn() -> T,
        call: &(impl Fn(&T, &mut Random, &mut Log<S::Event>) + Send + Sync),
    ) where
        S: Specification,
        S::Event: Send,
        T: Send + Sync,
    {
        let (structure, recorder) = (make(), Recorder::new());
        shuttle::thread::scope(|scope| {
            for _ in 0..self.threads {
                let (structure, mut log) = (&structure, recorder.log());
                let mut random = Random::new(shuttle::rand::thread_rng().next_u64());
                scope.spawn(move || {
                    (0..self.calls).for_each(|_| call(structure, &mut random, &mut log));
                });
            }
        });
        assert_linearizable(specification, recorder);
    }
}

#[cfg(test)]
mod tests {
    use super::Play;
    use crate::linearizability::{Register, RegisterEvent};
    use shuttle::sync::atomic::{AtomicU64, Ordering};

    /// A swap of two steps loses a value when two of them meet.
    fn play(swap: fn(&AtomicU64, u64) -> u64) {
        let play = Play { executions: 200, ..Play::default() };
        play.check(
            Register { initial: 0 },
            || AtomicU64::new(0),
            move |place, random, log| {
                let new = random.next_u64();
                log.call(|| RegisterEvent::Swap(new, swap(place, new)));
            },
        );
    }

    #[test]
    fn a_swap_of_one_step_passes() {
        play(|place, new| place.swap(new, Ordering::SeqCst));
    }

    #[test]
    #[should_panic(expected = "not linearizable")]
    fn a_swap_of_two_steps_does_not() {
        play(|place, new| {
            let old = place.load(Ordering::SeqCst);
            place.store(new, Ordering::SeqCst);
            old
        });
    }
}

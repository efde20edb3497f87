//! On the processor itself, where a model does not reach: of a reader that publishes and then loads, and a reclaimer that stores, fences and then loads,
//! at least one sees the other. With a mere store in the place of `publish`, neither did in 2 to 27 rounds of a run (two cores, beside a build: in five runs of eight).
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle, stillpoint_tsan, stillpoint_steps)))]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::fence::Fences;

const ROUNDS: u64 = 100_000;
/// Where others have the processors, each round waits for a turn.
const LONGEST: Duration = Duration::from_secs(1);
const GIVEN_UP: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Play {
    /// The latest round in which the reader announced itself, and the reclaimer unlinked.
    announced: CachePadded<AtomicU64>,
    unlinked: CachePadded<AtomicU64>,
    /// How often the two were ready.
    ready: [CachePadded<AtomicU64>; 2],
    over: AtomicBool,
}

impl Play {
    /// Waits for the other, `1 - me`, to be ready as often.
    fn meet(&self, me: usize, times: u64) {
        self.ready[me].store(times, Ordering::SeqCst);
        let (begun, mut looks) = (Instant::now(), 0);
        while self.ready[1 - me].load(Ordering::SeqCst) < times {
            looks += 1;
            if looks > 1000 {
                assert!(begun.elapsed() < GIVEN_UP, "the other has ended");
                thread::yield_now();
            }
        }
    }

    /// Plays the rounds: whether each saw the other, by round.
    fn play(&self, me: usize, sees_the_other: impl Fn(u64) -> bool) -> Vec<bool> {
        let until = Instant::now() + LONGEST;
        let mut seen = Vec::new();
        for round in 1..=ROUNDS {
            self.meet(me, 2 * round - 1);
            // The reclaimer begins later, by about so much: how long the reader takes to begin is not known.
            (0..me as u64 * (round % 64)).for_each(|_| std::hint::spin_loop());
            seen.push(sees_the_other(round));
            if me == 0 && Instant::now() > until {
                self.over.store(true, Ordering::SeqCst);
            }
            self.meet(me, 2 * round);
            if self.over.load(Ordering::SeqCst) {
                break;
            }
        }
        seen
    }

    fn read(&self, fences: Fences) -> Vec<bool> {
        self.play(0, |round| {
            fences.publish(&self.announced, round);
            self.unlinked.load(Ordering::Acquire) == round
        })
    }

    fn reclaim(&self, fences: Fences) -> Vec<bool> {
        self.play(1, |round| {
            self.unlinked.store(round, Ordering::Release);
            fences.heavy();
            self.announced.load(Ordering::Acquire) == round
        })
    }
}

fn nobody_misses_the_other(fences: Fences) {
    let play = Play::default();
    let (reader, reclaimer) = thread::scope(|scope| {
        let reader = scope.spawn(|| play.read(fences));
        let reclaimer = play.reclaim(fences);
        (reader.join().unwrap(), reclaimer)
    });
    assert_eq!(reader.len(), reclaimer.len());
    let missed = reader.iter().zip(&reclaimer).filter(|(reader, other)| !**reader && !**other);
    assert_eq!(missed.count(), 0, "of {} rounds", reader.len());
}

#[test]
fn readers_and_reclaimers_do_not_miss_each_other() {
    nobody_misses_the_other(Fences::Strict);
    nobody_misses_the_other(Fences::detect());
}

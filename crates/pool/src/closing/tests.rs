//! Two last frees against the close of the last handle: the core goes exactly once, when nobody uses it.

use super::*;

#[test]
#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
fn counts() {
    let (free, remaining) = (Announcement::default(), Remaining::new());
    free.begin(Fences::Strict);
    free.end();
    free.wait();
    assert!(!remaining.take(1));
    assert!(!remaining.add(3));
    assert!(remaining.take(2));
    assert!(Remaining::new().add(0));
}

#[test]
#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
fn a_core_that_is_forgone_stays_however_far_the_shares_are_off() {
    for off in [0, 1, 64u64.wrapping_neg(), 1u64.wrapping_neg()] {
        let remaining = Remaining::new();
        remaining.forgo();
        remaining.forgo();
        assert!(!remaining.add(100u64.wrapping_add(off)));
        assert!((0..200).all(|_| !remaining.take(1)));
    }
}

#[cfg(stillpoint_loom)]
mod model {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use std::process::Command;
    use stillpoint_primitive::OwnerCounter;
    use stillpoint_primitive::sync::atomic::AtomicBool;

    const FREERS: usize = 2;

    /// A core that owns two blocks, one with each freeing thread.
    struct Core {
        frees: [Announcement; FREERS],
        /// Blocks put away, as the shelves say it.
        put_away: [OwnerCounter; FREERS],
        closed: AtomicBool,
        remaining: Remaining,
        /// Stands for the core's memory.
        memory: UnsafeCell<u32>,
        freed: std::sync::atomic::AtomicU32,
        mutation: Mutation,
        bias: u64,
    }

    impl Core {
        fn drop_it(&self) {
            // SAFETY: the model reports it if anybody may still use the memory.
            self.memory.with_mut(|memory| unsafe { *memory += 1 });
            self.freed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }

        fn free(&self, thread: usize) {
            self.frees[thread].begin_mutated(Fences::Strict, self.mutation);
            if self.closed.load(Ordering::Relaxed) {
                self.frees[thread].end();
                if self.remaining.take(1) {
                    self.drop_it();
                }
                return;
            }
            // Putting the block away uses the core.
            // SAFETY: the model reports it if the core has been freed.
            self.memory.with(|memory| assert_eq!(unsafe { *memory }, 0, "the core was freed"));
            self.put_away[thread].add(1);
            self.frees[thread].end();
        }

        fn close(&self) {
            self.closed.store(true, Ordering::Relaxed);
            Fences::Strict.heavy();
            self.frees.iter().for_each(Announcement::wait);
            let freed: u64 = self.put_away.iter().map(OwnerCounter::get).sum();
            if self.remaining.add_from_bias(FREERS as u64 - freed, self.bias) {
                self.drop_it();
            }
        }
    }

    fn play(mutation: Mutation, bias: u64) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(move || {
            let core = Arc::new(Core {
                frees: Default::default(),
                put_away: Default::default(),
                closed: AtomicBool::new(false),
                remaining: Remaining::from_bias(bias),
                memory: UnsafeCell::new(0),
                freed: Default::default(),
                mutation,
                bias,
            });
            let freers: Vec<_> = (0..FREERS)
                .map(|thread| {
                    let core = core.clone();
                    loom::thread::spawn(move || core.free(thread))
                })
                .collect();
            core.close();
            freers.into_iter().for_each(|freer| freer.join().unwrap());
            let freed = core.freed.load(std::sync::atomic::Ordering::Relaxed);
            assert_eq!(freed, 1, "how often the core was freed");
        });
    }

    #[test]
    fn the_core_goes_once_after_everybody() {
        play(Mutation::None, BIAS);
    }

    /// The model with something taken out must fail; in a process of its own, since it may abort.
    fn must_fail(test: &str, mutation: Mutation, bias: u64) {
        const INNER: &str = "STILLPOINT_MUST_FAIL";
        if std::env::var_os(INNER).is_some() {
            return play(mutation, bias);
        }
        let mut inner = Command::new(std::env::current_exe().unwrap());
        let name = format!("closing::tests::model::{test}");
        let output =
            inner.args([&name, "--exact", "--nocapture"]).env(INNER, "1").output().unwrap();
        assert!(!output.status.success(), "the model does not notice what has been taken out");
        let said = String::from_utf8_lossy(&output.stderr);
        let expected =
            ["how often the core was freed", "the core was freed", "Causality violation"];
        assert!(expected.iter().any(|reason| said.contains(reason)), "another reason: {said}");
    }

    #[test]
    fn without_the_announcement_the_core_goes_wrong() {
        must_fail("without_the_announcement_the_core_goes_wrong", Mutation::NoAnnouncement, BIAS);
    }

    #[test]
    fn without_the_fence_the_core_goes_wrong() {
        must_fail("without_the_fence_the_core_goes_wrong", Mutation::NoFence, BIAS);
    }

    #[test]
    fn without_the_bias_the_core_goes_wrong() {
        must_fail("without_the_bias_the_core_goes_wrong", Mutation::NoBias, 1);
    }
}

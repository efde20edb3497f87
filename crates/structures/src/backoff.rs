//! [`Backoff`]: waiting a little for another thread, longer each time.

use stillpoint_primitive::sync::{hint, thread};

/// Rounds of spinning, each twice as long as the one before.
const SPIN_ROUNDS: u32 = 6;
/// Rounds, of spinning and of giving the processor away, after which waiting on is a waste.
const ROUNDS: u32 = 10;

/// Rounds of spinning after a collision: some microseconds.
const STAND_BACK: u32 = 256;

/// After a lost race for a place in a queue, where the winners' lines travel from cache to cache with every operation: lets the others go on
/// with the lines at hand for a while. So the lines travel once in a few hundred operations.
#[cold]
pub(crate) fn stand_back() {
    if cfg!(not(any(stillpoint_loom, stillpoint_shuttle))) {
        (0..STAND_BACK).for_each(|_| hint::spin_loop());
    }
}

#[derive(Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    /// After a lost race: the next attempt can succeed at once.
    pub(crate) fn spin(&mut self) {
        // A checker decides by itself who runs next.
        if cfg!(not(any(stillpoint_loom, stillpoint_shuttle))) {
            for _ in 0..1 << self.0.min(SPIN_ROUNDS) {
                hint::spin_loop();
            }
        }
        self.0 = self.0.saturating_add(1);
    }

    /// While another thread has to do something first.
    pub(crate) fn wait(&mut self) {
        if self.0 < SPIN_ROUNDS && cfg!(not(any(stillpoint_loom, stillpoint_shuttle))) {
            self.spin();
            return;
        }
        self.0 = self.0.saturating_add(1);
        thread::yield_now();
    }

    /// Whether it has waited so long that sleeping is cheaper.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.0 >= ROUNDS || cfg!(any(stillpoint_loom, stillpoint_shuttle))
    }
}

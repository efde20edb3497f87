//! What a thread asks of the system's scheduler: hints, which change nothing where the system is not Linux, or refuses.
//!
//! | who | asks for | has |
//! |---|---|---|
//! | a thread that others wait for, and that sleeps as soon as it can | [`take_short_turns`] | a core at once when it wakes, as long as it has had less than its share |
//! | a thread whose work can wait a little | [`stand_back`] | its share, in short turns, but nobody's core when it wakes |
//! | one whose work can wait long | [`give_way`] | the same, and a third of a share |
//! | the same, while it has much to do | [`TimeSlice`], or [`yield_point`]s | a core for a fifth of a millisecond, and again when nobody else wants it more |
//!
//! A `TimeSlice` is for a loop of some microseconds a step; a yield point for short steps, and for code that runs on threads of both kinds, such as dropping a node.
//!
//! Without the last, a thread whose turn was over in the middle of what others wait for gets its core back at the system's next tick, which is up to 10 ms off.
//!
//! A thread begins as the one that started it is. A sandbox that ends a process for `sched_setattr` has to let it pass. Source: Linux `sched_setattr(2)`; a turn of one's own length since version 6.12.

#[cfg(feature = "std")]
use std::cell::Cell;

/// Nanoseconds of the turns of who is waited for: the shortest there are, and shorter than [`BACK_TURN`], for who wakes gets a core at once only from who
/// takes longer ones.
#[cfg(all(target_os = "linux", not(miri)))]
const SHORT_TURN: u64 = 100_000;
/// Nanoseconds of the turns of who stands back.
const BACK_TURN: u64 = 200_000;
/// How much nicer who gives way is than before: its weight is about a third.
#[cfg(all(target_os = "linux", not(miri)))]
const NICER: i32 = 5;
/// The nicest that there is.
#[cfg(all(target_os = "linux", not(miri)))]
const NICEST: i32 = 19;

/// Has the calling thread take turns of a tenth of a millisecond, and so, when it wakes, a core from who takes longer ones. Its share of the
/// cores is as before.
///
/// # Cost
/// Two system calls.
pub fn take_short_turns() {
    #[cfg(all(target_os = "linux", not(miri)))]
    let _asked = change(|asked| asked.sched_runtime = SHORT_TURN);
}

/// Has the calling thread stand back (`SCHED_BATCH`): when it wakes it takes nobody's core. Its share of the cores is as before; its turns are short, so that
/// one that [yields](TimeSlice) gives no more than a short one away.
///
/// # Cost
/// Two system calls.
pub fn stand_back() {
    begin_yielding();
    #[cfg(all(target_os = "linux", not(miri)))]
    let _asked = change(batch_in_short_turns);
}

/// Has the calling thread [`stand_back`], and take about a third of the share that it had where others want the same core. Whoever wakes with much less than
/// its own share used up, and takes [short turns](take_short_turns), then gets the core at once: with equal shares a thread that is waited for, and is busy for half of the time,
/// would wait for this one again and again. There is no way back. Not for work of many seconds: a thread of so little weight counts for little where the system spreads
/// threads over cores, and can stay beside a busy one while another core idles half of the time (a save took 8.4 s so, and 6.6 without).
///
/// # Cost
/// Two system calls.
pub fn give_way() {
    begin_yielding();
    #[cfg(all(target_os = "linux", not(miri)))]
    let _asked = change(|asked| {
        batch_in_short_turns(asked);
        asked.sched_nice = NICEST.min(asked.sched_nice + NICER);
    });
}

fn begin_yielding() {
    #[cfg(feature = "std")]
    YIELDS.with(|yields| yields.stands_back.set(true));
}

#[cfg(all(target_os = "linux", not(miri)))]
fn batch_in_short_turns(asked: &mut libc::sched_attr) {
    asked.sched_policy = libc::SCHED_BATCH as u32;
    asked.sched_runtime = BACK_TURN;
}

/// What a thread that has much to do may use of a core before it offers that to others.
///
/// A thread that yields gives its whole turn away, so it asks for [short ones](stand_back) if it is to keep its share: with turns of the usual length, keys that
/// expired while two loops were as busy as can be took half as much memory again. Source: Linux's `yield_task_fair`.
#[cfg(feature = "std")]
#[derive(Debug)]
pub struct TimeSlice {
    begun: std::time::Instant,
}

#[cfg(feature = "std")]
impl TimeSlice {
    /// How long one is, as long as [`yield_if_over`](TimeSlice::yield_if_over) is called often enough.
    pub const LENGTH: std::time::Duration = std::time::Duration::from_nanos(BACK_TURN);

    /// The first one begins.
    pub fn begin() -> TimeSlice {
        TimeSlice { begun: std::time::Instant::now() }
    }

    /// Between two steps of the work: offers the core to others, if the slice is over.
    ///
    /// # Cost
    /// A look at the clock; a system call at the end of a slice.
    pub fn yield_if_over(&mut self) {
        if self.begun.elapsed() >= TimeSlice::LENGTH {
            std::thread::yield_now();
            *self = TimeSlice::begin();
        }
    }
}

/// Yield points passed between two looks at the clock.
#[cfg(feature = "std")]
const POINTS_A_LOOK: u32 = 64;

/// What yield points know of their thread.
#[cfg(feature = "std")]
struct Yields {
    stands_back: Cell<bool>,
    /// Points until the next look at the clock.
    left: Cell<u32>,
    slice: Cell<Option<TimeSlice>>,
}

#[cfg(feature = "std")]
std::thread_local! {
    static YIELDS: Yields = const {
        Yields { stands_back: Cell::new(false), left: Cell::new(0), slice: Cell::new(None) }
    };
}

#[cfg(feature = "std")]
impl Yields {
    #[cold]
    fn look(&self) {
        self.left.set(POINTS_A_LOOK);
        let mut slice = self.slice.take().unwrap_or_else(TimeSlice::begin);
        slice.yield_if_over();
        self.slice.set(Some(slice));
    }
}

/// Between two steps of less than some microseconds: on a thread that [stands back](stand_back), offers the core to others if the thread has had it for a
/// [`TimeSlice`]; on any other, does nothing. Not while holding a lock that others wait for.
///
/// # Cost
/// A thread's own variable is read; of a thread that stands back another one is counted down, and with every 64th point there is a look at the clock.
#[cfg(feature = "std")]
#[inline]
pub fn yield_point() {
    YIELDS.with(|yields| {
        if yields.stands_back.get() {
            match yields.left.get() {
                0 => yields.look(),
                left => yields.left.set(left - 1),
            }
        }
    });
}

/// Changes what the system has written down for the calling thread, unless somebody has asked for something else than the usual already.
/// Tells whether the system agreed.
#[cfg(all(target_os = "linux", not(miri)))]
fn change(change: impl FnOnce(&mut libc::sched_attr)) -> bool {
    let usual = current().filter(|found| found.sched_policy == libc::SCHED_OTHER as u32);
    let Some(mut asked) = usual else { return false };
    change(&mut asked);
    // SAFETY: about the calling thread (0); what the pointer leads to is read, and lives through the call.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const asked, 0) == 0 }
}

/// What the system has written down for the calling thread.
#[cfg(all(target_os = "linux", not(miri)))]
fn current() -> Option<libc::sched_attr> {
    let size = size_of::<libc::sched_attr>() as u32;
    let mut found = libc::sched_attr {
        size,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: about the calling thread (0); at most `size` bytes are written, which are there.
    let refused =
        unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut found, size, 0) } != 0;
    (!refused).then_some(found)
}

#[cfg(all(test, target_os = "linux", not(any(miri, stillpoint_loom, stillpoint_shuttle))))]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "std")]
    fn yield_points_look_at_the_clock_now_and_then_on_a_thread_that_stands_back() {
        let pass = |points: u32| (0..points).for_each(|_| yield_point());
        let left = || YIELDS.with(|yields| yields.left.get());
        let has_slice = || {
            YIELDS.with(|yields| {
                let slice = yields.slice.take();
                let has_slice = slice.is_some();
                yields.slice.set(slice);
                has_slice
            })
        };
        let of_its_own = std::thread::spawn(move || {
            pass(2 * POINTS_A_LOOK);
            assert!(!has_slice(), "who is waited for does not look");
            stand_back();
            pass(1);
            assert_eq!((left(), has_slice()), (POINTS_A_LOOK, true));
            pass(POINTS_A_LOOK);
            assert_eq!(left(), 0);
            std::thread::sleep(2 * TimeSlice::LENGTH);
            let begun = YIELDS.with(|yields| yields.slice.take()).unwrap().begun;
            YIELDS.with(|yields| yields.slice.set(Some(TimeSlice { begun })));
            pass(1);
            let next = YIELDS.with(|yields| yields.slice.take()).unwrap().begun;
            assert!(
                next - begun >= 2 * TimeSlice::LENGTH,
                "the slice was over: the next one has begun"
            );
        });
        of_its_own.join().unwrap();
    }

    #[test]
    fn who_stands_back_is_of_the_batch_kind_and_takes_short_turns() {
        std::thread::spawn(|| {
            let before = current();
            let Some(before) = before.filter(|_| change(|_| ())) else {
                // Refused here, or this thread is not of the usual kind.
                return;
            };
            take_short_turns();
            let short = current().unwrap();
            assert_eq!(short.sched_policy, before.sched_policy);
            // Older kernels know of no turns.
            let knows_turns = short.sched_runtime == SHORT_TURN;
            std::thread::spawn(move || {
                stand_back();
                let back = current().unwrap();
                assert_eq!(back.sched_policy, libc::SCHED_BATCH as u32);
                assert!(!knows_turns || back.sched_runtime == BACK_TURN);
                assert_eq!(back.sched_nice, before.sched_nice);
            })
            .join()
            .unwrap();
            std::thread::spawn(move || {
                give_way();
                let back = current().unwrap();
                assert_eq!(back.sched_policy, libc::SCHED_BATCH as u32);
                assert_eq!(back.sched_nice, NICEST.min(before.sched_nice + NICER));
            })
            .join()
            .unwrap();
        })
        .join()
        .unwrap();
    }
}

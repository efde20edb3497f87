//! A real fork in a test. The pool's tests include this file too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

/// Runs `in_child` in a child of this process; fails the test if the child panics, or takes longer than 20 s.
pub(crate) fn forked(in_child: impl FnOnce()) {
    // SAFETY: the child calls nothing but the crate under test and the allocator, which glibc and musl keep usable, and `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        let code = if catch_unwind(AssertUnwindSafe(in_child)).is_ok() { 0 } else { 1 };
        // SAFETY: ends the process at once, without the parent's destructors.
        unsafe { libc::_exit(code) };
    }
    let (mut status, began) = (0, Instant::now());
    loop {
        // SAFETY: our child, and a place for its status.
        let ended = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
        if ended == child {
            break;
        }
        if began.elapsed() > Duration::from_secs(20) {
            // SAFETY: our child, not waited for yet.
            unsafe { libc::kill(child, libc::SIGKILL) };
            panic!("the child hangs");
        }
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(status, 0, "the child's status");
}

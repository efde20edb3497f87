//! A real fork in a test. The pool's tests include this file too.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
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

/// Runs `work` on another thread, and waits for it: in a child not one of the standard library's. Those begin and end under a lock of its own, which a thread that was
/// just beginning in the parent has forever.
pub(crate) fn on_a_thread<F: FnOnce() + Send>(work: F) {
    extern "C" fn run<F: FnOnce()>(work: *mut c_void) -> *mut c_void {
        // SAFETY: what `on_a_thread` waits with; nobody else looks at it.
        let work = unsafe { work.cast::<Option<F>>().as_mut() };
        if let Some(work) = work.and_then(Option::take) {
            work();
        }
        ptr::null_mut()
    }
    let (mut thread, mut work) = (0, Some(work));
    let its_work = (&raw mut work).cast();
    // SAFETY: `work` lives until the thread has been joined.
    let refused = unsafe { libc::pthread_create(&raw mut thread, ptr::null(), run::<F>, its_work) };
    assert_eq!(refused, 0, "no thread");
    // SAFETY: begun above, joined once.
    assert_eq!(unsafe { libc::pthread_join(thread, ptr::null_mut()) }, 0);
}

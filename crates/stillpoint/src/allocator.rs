//! The allocator: mimalloc, and a thread that sees to it that what is free goes back to the system.
//!
//! By itself it looks after that only when a thread frees or takes pages of its own: 200,000 fields of a kilobyte, then FLUSHALL and nothing more, and of 265 MB
//! all stayed; with the thread 22.

use std::ffi::c_long;
use std::io;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// mimalloc's `mi_option_purge_delay`, for which its crate has no name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// For how long free memory is kept. mimalloc's own second is longer than a growing index needs to free its next table, so that all of them would stay
/// resident: ten bytes a key.
const PURGE_DELAY_MS: c_long = 100;
/// How often the thread looks. What is free then goes back, however new it is.
const PURGE_EVERY: Duration = Duration::from_millis(500);

/// Sets how long free memory is kept, and starts the thread that gives it back. Called once, before any other thread runs. Without the thread all works, with more memory.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn set_up() -> io::Result<()> {
    // SAFETY: sets a number, unless MIMALLOC_PURGE_DELAY has said another; no other thread runs yet.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, PURGE_DELAY_MS) };
    std::thread::Builder::new().name("purge".into()).stack_size(64 * 1024).spawn(purge).map(drop)
}

fn purge() {
    // SAFETY: may be called at any time; without it, and without an allocation of this thread's, the call below does nothing.
    unsafe { libmimalloc_sys::mi_thread_init() };
    loop {
        std::thread::sleep(PURGE_EVERY);
        // SAFETY: made to be called at any time, from any thread.
        unsafe { libmimalloc_sys::mi_collect(true) };
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // SAFETY: reads a number.
        let of_its_own = unsafe { libmimalloc_sys::mi_option_get(super::PURGE_DELAY) };
        assert_eq!(
            of_its_own, 1000,
            "the number of the option, or mimalloc's default, has changed"
        );
    }
}

//! The server binary: see `stillpoint --help`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// mimalloc's `mi_option_purge_delay`, for which its crate has no name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// For how long the allocator keeps free memory before the system gets it back. Its own second is longer than a growing index needs to free its next table,
/// so that all of them would stay resident: ten bytes a key.
const PURGE_DELAY_MS: std::ffi::c_long = 100;

fn main() -> ExitCode {
    // SAFETY: sets a number, unless MIMALLOC_PURGE_DELAY has said another; no other thread runs yet.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, PURGE_DELAY_MS) };
    stillpoint_server::run(std::env::args().skip(1))
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

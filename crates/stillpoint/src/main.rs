//! The server binary: see `stillpoint --help`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    stillpoint_server::run(std::env::args().skip(1))
}

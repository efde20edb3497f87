//! The server binary: see `stillpoint --help`.

mod allocator;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Err(error) = allocator::set_up() {
        eprintln!("stillpoint: no thread for giving memory back to the system: {error}");
    }
    stillpoint_server::run(std::env::args().skip(1))
}

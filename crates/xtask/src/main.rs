//! Repository chores.
//!
//! | chore | what it does |
//! |---|---|
//! | `tidy` | checks what the house style promises and no lint covers |
//! | `suites` | runs suites that nobody here wrote against the server |

mod source;
mod suites;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("xtask lies two folders below the root");
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => report(&tidy::run(root)),
        Some("suites") => suites::run(root, std::env::args().skip(2)),
        other => {
            eprintln!("unknown chore {:?}; there are: tidy, suites", other.unwrap_or(""));
            ExitCode::from(2)
        }
    }
}

fn report(offences: &[tidy::Offence]) -> ExitCode {
    for offence in offences {
        eprintln!("{offence}");
    }
    if offences.is_empty() {
        println!("tidy: nothing to complain about");
        return ExitCode::SUCCESS;
    }
    eprintln!("tidy: {} complaint(s)", offences.len());
    ExitCode::FAILURE
}

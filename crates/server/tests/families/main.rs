//! The data commands, family by family, against a session without a network; its clock moves only when a test says so.

mod bits;
mod elsewhere;
mod geo;
mod hashes;
mod keys;
mod lists;
mod memory;
mod pubsub;
mod scripts;
mod sets;
mod snapshots;
mod sort;
mod sorted_sets;
mod streams;
mod strings;
mod transactions;

use stillpoint_server::TestClient;

/// Runs commands, each a line of words, and compares the replies; `\n` in an expectation stands for the protocol's line ends.
fn check(client: &mut TestClient, steps: &[(&str, &str)]) {
    for (line, expected) in steps {
        let words: Vec<&str> =
            line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
        let expected = expected.replace('\n', "\r\n") + "\r\n";
        assert_eq!(client.run(&words), expected, "{line}");
    }
}

/// The texts of a reply that is an array of bulk strings, in order of size.
fn sorted(reply: &str) -> Vec<String> {
    let is_text = |line: &&str| !line.starts_with(['*', '$', '%']);
    let mut texts: Vec<String> = reply.lines().filter(is_text).map(str::to_owned).collect();
    texts.sort();
    texts
}

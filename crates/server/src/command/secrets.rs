//! Arguments that no log and no other client may see.

use super::row::Command;
use crate::resp::Args;

/// What is shown in their place.
pub(crate) const REDACTED: &str = "(redacted)";

/// Directives whose values are secrets, or tell who has them.
const SECRET_DIRECTIVES: [&str; 7] = [
    "masteruser",
    "primaryuser",
    "masterauth",
    "primaryauth",
    "requirepass",
    "tls-key-file-pass",
    "tls-client-key-file-pass",
];

/// Whether argument `at` is a secret.
pub(crate) fn is_secret(command: &Command, args: Args<'_>, at: usize) -> bool {
    let behind = |word: &str, from: usize, distance: usize| {
        at >= from + distance && args.is(at - distance, word)
    };
    match command.name {
        "auth" => at > 0,
        "acl|setuser" | "acl|getuser" | "acl|deluser" => at > 1,
        "config|set" => {
            at > 2 && at % 2 == 1 && SECRET_DIRECTIVES.iter().any(|name| args.is(at - 1, name))
        }
        "hello" => behind("auth", 2, 1) || behind("auth", 2, 2),
        "migrate" => behind("auth", 6, 1) || behind("auth2", 6, 1) || behind("auth2", 6, 2),
        _ => false,
    }
}

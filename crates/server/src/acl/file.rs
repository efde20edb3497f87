//! The ACL file: a line `user name rules…` for each user.
//!
//! Invariant: a file with an error changes nothing; one that is being written replaces the old one in one step.

use super::definition::{Definition, is_name};
use super::registry::Acl;
use super::rule::RuleError;
use super::user::User;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

/// Users by name.
type Users = BTreeMap<Box<[u8]>, User>;

/// What ends the report of errors.
const NOTHING_DONE: &str =
    "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";

/// Reads a file; `all_channels` is what `acl-pubsub-default` says.
///
/// # Errors
/// Everything that is wrong with it, in one line.
pub(crate) fn read(path: &str, all_channels: bool) -> Result<Users, String> {
    let text = std::fs::read(path).map_err(|error| {
        let why = error.to_string();
        let why = why.split(" (os error").next().unwrap_or("");
        format!("Error loading ACLs, opening file '{path}': {why}")
    })?;
    parse(path, &text, all_channels)
}

fn parse(path: &str, text: &[u8], all_channels: bool) -> Result<Users, String> {
    let mut users = Users::new();
    let mut errors = String::new();
    for (i, line) in text.split(|b| *b == b'\n').enumerate() {
        let words = line.trim_ascii().split(|b| *b == b' ').filter(|word| !word.is_empty());
        let words: Vec<&[u8]> = words.map(<[u8]>::trim_ascii).collect();
        let [keyword, rules @ ..] = words.as_slice() else { continue };
        let place = format!("{path}:{}", i + 1);
        let (b"user", [name, rules @ ..]) = (*keyword, rules) else {
            errors += &format!("{place} should start with user keyword followed by the username. ");
            continue;
        };
        let shown = String::from_utf8_lossy(name);
        if !is_name(name) {
            errors += &format!("'{place}: username '{shown}' contains invalid characters. ");
        } else if users.contains_key(*name) {
            errors += &format!("WARNING: Duplicate user '{shown}' found on line {}. ", i + 1);
        } else {
            let user = user_of(rules, all_channels, &place, &mut errors);
            users.insert((*name).into(), user);
        }
    }
    if errors.is_empty() { Ok(users) } else { Err(errors + NOTHING_DONE) }
}

/// The user that the rules come to; what is wrong with them is added to `errors`.
fn user_of(rules: &[&[u8]], all_channels: bool, place: &str, errors: &mut String) -> User {
    let mut user = User::new(all_channels);
    let Ok(definition) = Definition::of(rules.iter().copied()) else {
        *errors += &format!("{place}: Unmatched parenthesis in selector definition.");
        return user;
    };
    let mut has_failed = false;
    for rule in definition.rules() {
        match user.apply(rule, all_channels) {
            Ok(()) => {}
            // Names of commands are no secrets.
            Err(error @ RuleError::Unknown) => {
                let rule = String::from_utf8_lossy(rule);
                *errors += &format!("{place}: Error in applying operation '{rule}': {error}. ");
            }
            Err(error) if !std::mem::replace(&mut has_failed, true) => {
                *errors += &format!("{place}: {error}. ");
            }
            Err(_) => {}
        }
    }
    user
}

/// Writes all users to the file.
///
/// # Errors
/// The system's.
pub(crate) fn write(path: &str, acl: &Acl) -> std::io::Result<()> {
    let fresh = format!("{path}.tmp-{}", std::process::id());
    let written = std::fs::File::create(&fresh).and_then(|mut file| {
        for line in acl.lines() {
            file.write_all(&line)?;
            file.write_all(b"\n")?;
        }
        file.sync_all()
    });
    let replaced = written.and_then(|()| std::fs::rename(&fresh, path));
    if replaced.is_err() {
        // What could not be written is of no use to anybody.
        let _gone = std::fs::remove_file(&fresh);
        return replaced;
    }
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
    std::fs::File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_line_by_line() {
        let text = b"user alice on  nopass ~* +@all\n\n  user bob on (+get ~a) (+set\t ~b )\r\n";
        let users = parse("x.acl", text, false).unwrap();
        assert_eq!(users.len(), 2);
        assert_eq!(users[&b"bob"[..]].selectors().len(), 3);
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let text = b"user alice on\nuser alice off\n# no\nuser b what +nothing ~* ~a\nuser c (+get";
        let error = parse("x.acl", text, false).unwrap_err();
        assert_eq!(
            error,
            "WARNING: Duplicate user 'alice' found on line 2. \
             x.acl:3 should start with user keyword followed by the username. \
             x.acl:4: Syntax error. x.acl:4: Error in applying operation '+nothing': \
             Unknown command or category name in ACL. x.acl:5: Unmatched parenthesis in selector definition.\
             WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
        );
    }
}

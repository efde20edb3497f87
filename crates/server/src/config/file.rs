//! The configuration file: `name value …` lines, read at start, rewritten by CONFIG REWRITE.
//!
//! Three names are no directives: `user` defines a user, `rename-command` gives a command another name or none, `include` names
//! another file whose lines belong there.

use super::directive::{DIRECTIVES, Kind, find};
use super::settings::{SettingError, Settings, Source};
use crate::resp::split_words;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The directive that names another file whose lines belong here.
const INCLUDE: &str = "include";
/// Files that may include one another, one in the other.
const MAX_INCLUDES: usize = 16;

/// Why the file cannot be used.
#[non_exhaustive]
#[derive(Debug)]
pub(crate) enum FileError {
    /// It cannot be read or written.
    Io { path: PathBuf, error: std::io::Error },
    /// A line says what is not possible.
    Line { number: usize, line: String, why: String },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Io { path, error } => {
                write!(f, "cannot use config file '{}': {error}", path.display())
            }
            FileError::Line { number, line, why } => {
                write!(f, "config file, line {number}: '{line}': {why}")
            }
        }
    }
}

/// Applies the lines of `text` to `settings`.
///
/// # Errors
/// The first line that cannot be applied.
pub(crate) fn apply_text(settings: Settings, text: &str) -> Result<Settings, FileError> {
    apply_lines(settings, text, MAX_INCLUDES)
}

/// Applies lines, of which those may go `includes` files deep that name other files.
fn apply_lines(mut settings: Settings, text: &str, includes: usize) -> Result<Settings, FileError> {
    let mut has_saves = false;
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fail = |why: String| FileError::Line { number: i + 1, line: line.to_owned(), why };
        let words = words_of(line).ok_or_else(|| fail("unbalanced quotes".into()))?;
        let Some((name, values)) = words.split_first() else { continue };
        let mut values = values.to_vec();
        // Lines of save points add up; the first, and an empty one, begin anew.
        if name.eq_ignore_ascii_case("save") {
            let is_empty = values.concat().is_empty();
            if std::mem::replace(&mut has_saves, true) && !is_empty {
                values.insert(0, settings.text("save").to_owned());
            }
        }
        settings = match name.eq_ignore_ascii_case(INCLUDE) {
            true => include(settings, &values, includes).map_err(fail)?,
            false => apply_words(&settings, name, &values).map_err(|e| fail(e.to_string()))?,
        };
    }
    Ok(settings)
}

/// Applies the files that an `include` names, which may include others in turn.
fn include(mut settings: Settings, paths: &[String], left: usize) -> Result<Settings, String> {
    let left = left.checked_sub(1).ok_or("files include each other without an end")?;
    if paths.is_empty() {
        return Err("wrong number of arguments".to_owned());
    }
    for path in paths {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        settings = apply_lines(settings, &text, left).map_err(|error| error.to_string())?;
    }
    Ok(settings)
}

/// The words of a line, if its quotation marks are balanced.
fn words_of(line: &str) -> Option<Vec<String>> {
    let words = split_words(line.as_bytes())?;
    Some(words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

/// Applies one directive with its words, as a file or the command line gives it.
///
/// # Errors
/// No such directive, or it does not take these words.
pub(crate) fn apply_words(
    settings: &Settings,
    name: &str,
    values: &[String],
) -> Result<Settings, SettingError> {
    if is_user(name) {
        // One word is a whole line: an option of the command line in quotation marks.
        return match values {
            [line] => settings.with_user(&words_of(line).unwrap_or_default()),
            _ => settings.with_user(values),
        };
    }
    if is_rename(name) {
        return match values {
            [line] => settings.with_rename(&words_of(line).unwrap_or_default()),
            _ => settings.with_rename(values),
        };
    }
    if let Some(row) = find(name.as_bytes())
        && !takes_many(row)
        && values.len() != 1
        // `replicaof host port`, to be told why not.
        && !(DIRECTIVES[row].name == "replicaof" && values.len() == 2)
    {
        let why = "wrong number of arguments".to_owned();
        return Err(SettingError::Refused { name: name.to_owned(), why });
    }
    settings.with(&[(name.to_owned(), values.join(" "))], Source::Start)
}

/// Whether a directive's value may be several words.
fn takes_many(row: usize) -> bool {
    use Kind::{OutputLimits, Percentiles, Save, SomeOf, Words};
    matches!(DIRECTIVES[row].kind, Save | OutputLimits | Words | SomeOf(_) | Percentiles)
}

/// Whether lines of this name give commands other names.
pub(crate) fn is_rename(name: &str) -> bool {
    name.eq_ignore_ascii_case("rename-command")
}

/// Whether lines of this name define users.
pub(crate) fn is_user(name: &str) -> bool {
    name.eq_ignore_ascii_case("user")
}

/// Reads and applies a file.
///
/// # Errors
/// It cannot be read, or a line cannot be applied.
pub(crate) fn load(settings: Settings, path: &Path) -> Result<Settings, FileError> {
    let text = match path.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(path),
    };
    let text = text.map_err(|error| FileError::Io { path: path.to_owned(), error })?;
    apply_text(settings, &text)
}

/// Writes the settings in force into the file: known lines get the present value, what is missing and differs from
/// its default is appended, everything else stays. `users` are the lines that define users. The file is replaced in one step.
///
/// # Errors
/// It cannot be read or written.
pub(crate) fn rewrite(
    settings: &Settings,
    users: &[Vec<u8>],
    path: &Path,
) -> Result<(), FileError> {
    let io = |error| FileError::Io { path: path.to_owned(), error };
    let old = std::fs::read_to_string(path).map_err(io)?;
    let mut written = vec![false; DIRECTIVES.len()];
    let mut out = String::new();
    for line in old.lines() {
        let name = line.split_ascii_whitespace().next().unwrap_or("");
        if is_user(name) {
            continue;
        }
        match find(name.as_bytes()) {
            Some(row) if !written[row] => {
                written[row] = true;
                push_line(&mut out, settings, row);
            }
            Some(_) => {}
            None => out.extend([line, "\n"]),
        }
    }
    let defaults = Settings::defaults();
    for (row, directive) in DIRECTIVES.iter().enumerate() {
        if !written[row] && settings.text(directive.name) != defaults.text(directive.name) {
            push_line(&mut out, settings, row);
        }
    }
    let fresh = path.with_extension("rewrite.tmp");
    // Passwords are in it: who may read it stays as it was.
    let permissions = std::fs::metadata(path).map_err(io)?.permissions();
    let mut file = std::fs::File::create(&fresh).map_err(io)?;
    file.set_permissions(permissions).map_err(io)?;
    let lines = users.iter().map(|line| [line, &b"\n"[..]].concat()).collect::<Vec<_>>().concat();
    let text = [out.as_bytes(), &lines].concat();
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(io)?;
    std::fs::rename(&fresh, path).map_err(io)
}

fn push_line(out: &mut String, settings: &Settings, row: usize) {
    let directive = &DIRECTIVES[row];
    let value = settings.text(directive.name);
    let many = takes_many(row);
    let is_special = |c: char| !c.is_ascii_graphic() || matches!(c, '"' | '\'' | '\\');
    match directive.kind {
        Kind::OutputLimits => {
            let words: Vec<&str> = value.split(' ').collect();
            for four in words.chunks(4) {
                out.push_str(&format!("{} {}\n", directive.name, four.join(" ")));
            }
        }
        _ if value.is_empty() || (!many && value.contains(is_special)) => {
            out.push_str(&format!("{} {}\n", directive.name, quoted(value)));
        }
        _ => out.push_str(&format!("{} {value}\n", directive.name)),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

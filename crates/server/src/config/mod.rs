//! Directives in Redis's manner: a table ([`directive`]), values in normal form ([`value`]), the settings in force.

mod directive;
mod file;
mod rename;
mod settings;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use directive::{DIRECTIVES, find};
pub(crate) use file::{apply_words, is_rename, is_user, load, rewrite};
pub(crate) use rename::Renames;
pub(crate) use settings::{LogForm, LogFormat, LogLevel, LogTime, SettingError, Settings, Source};

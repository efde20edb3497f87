//! [`Log`]: lines for the operator, in Redis's form: `pid:M date mark text`.

use crate::clock;
use crate::config::LogLevel;
use crate::counter::Gauge;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Where log lines go; shared by all loops.
#[derive(Debug)]
pub(crate) struct Log {
    /// `None`: standard output.
    file: Mutex<Option<File>>,
    level: Gauge,
    silent: bool,
}

impl Log {
    /// A log to standard output.
    pub(crate) fn to_stdout() -> Self {
        let level = Gauge::default();
        level.set(LogLevel::Notice as u64);
        Log { file: Mutex::new(None), level, silent: false }
    }
    /// A log that drops its lines.
    pub(crate) fn silent() -> Self {
        Log { silent: true, ..Log::to_stdout() }
    }
    /// Sends further lines to a file, appending.
    ///
    /// # Errors
    /// The file cannot be opened for writing.
    pub(crate) fn open(&self, path: &Path) -> std::io::Result<()> {
        let file = File::options().create(true).append(true).open(path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }
    pub(crate) fn set_level(&self, level: LogLevel) {
        self.level.set(level as u64);
    }
    pub(crate) fn verbose(&self, text: &str) {
        self.line(LogLevel::Verbose, '-', text);
    }
    pub(crate) fn notice(&self, text: &str) {
        self.line(LogLevel::Notice, '*', text);
    }
    pub(crate) fn warning(&self, text: &str) {
        self.line(LogLevel::Warning, '#', text);
    }

    /// A line of any importance.
    pub(crate) fn write(&self, level: LogLevel, text: &str) {
        let mark = match level {
            LogLevel::Debug => '.',
            LogLevel::Verbose => '-',
            LogLevel::Notice => '*',
            LogLevel::Warning | LogLevel::Nothing => '#',
        };
        self.line(level, mark, text);
    }

    fn line(&self, level: LogLevel, mark: char, text: &str) {
        if self.silent || (level as u64) < self.level.get() {
            return;
        }
        let date = clock::calendar(clock::now_ms());
        let line = format!("{}:M {date} {mark} {text}\n", std::process::id());
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written must not stop the server: the line is lost.
        let _lost = match &mut *file {
            Some(file) => file.write_all(line.as_bytes()),
            None => std::io::stdout().write_all(line.as_bytes()),
        };
    }
}

//! [`Log`]: lines for the operator, in the form that `log-format` and `log-timestamp-format` name, which are Valkey's.
//!
//! | `log-format` | a line |
//! |---|---|
//! | `legacy` | `pid:M TIME mark text`, as Redis has it |
//! | `logfmt` | `pid=… role=primary timestamp="TIME" level=notice message="text"` |
//! | `json` | `{"pid":…,"role":"primary","timestamp":"TIME","level":"notice","message":"text"}` |
//!
//! TIME is `21 Nov 2026 07:42:28.123`, or `2026-11-21T07:42:28.123Z` (`iso8601`), or milliseconds since 1970; always UTC.

use crate::clock;
use crate::config::{LogForm, LogFormat, LogLevel, LogTime};
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
    form: Mutex<LogForm>,
    level: Gauge,
    silent: bool,
}

impl Log {
    /// A log to standard output.
    pub(crate) fn to_stdout() -> Self {
        let level = Gauge::default();
        level.set(LogLevel::Notice as u64);
        Log { file: Mutex::new(None), form: Mutex::default(), level, silent: false }
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
    pub(crate) fn set_form(&self, form: LogForm) {
        *self.form.lock().unwrap_or_else(PoisonError::into_inner) = form;
    }
    pub(crate) fn verbose(&self, text: &str) {
        self.write(LogLevel::Verbose, text);
    }
    pub(crate) fn notice(&self, text: &str) {
        self.write(LogLevel::Notice, text);
    }
    pub(crate) fn warning(&self, text: &str) {
        self.write(LogLevel::Warning, text);
    }

    /// A line of any importance.
    pub(crate) fn write(&self, level: LogLevel, text: &str) {
        if self.silent || (level as u64) < self.level.get() {
            return;
        }
        let form = *self.form.lock().unwrap_or_else(PoisonError::into_inner);
        let line = line(form, clock::now_ms(), level, text);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written must not stop the server: the line is lost.
        let _lost = match &mut *file {
            Some(file) => file.write_all(line.as_bytes()),
            None => std::io::stdout().write_all(line.as_bytes()),
        };
    }
}

fn line(form: LogForm, now_ms: u64, level: LogLevel, text: &str) -> String {
    let (word, mark) = match level {
        LogLevel::Debug => ("debug", '.'),
        LogLevel::Verbose => ("verbose", '-'),
        LogLevel::Notice => ("notice", '*'),
        LogLevel::Warning | LogLevel::Nothing => ("warning", '#'),
    };
    let time = match form.time {
        LogTime::Legacy => clock::calendar(now_ms),
        LogTime::Iso8601 => clock::iso8601(now_ms),
        LogTime::Milliseconds => now_ms.to_string(),
    };
    let pid = std::process::id();
    match form.format {
        LogFormat::Legacy => format!("{pid}:M {time} {mark} {text}\n"),
        // Quoted as in JSON, which readers of logfmt take.
        LogFormat::Logfmt => {
            let text = serde_json::Value::from(text);
            format!("pid={pid} role=primary timestamp=\"{time}\" level={word} message={text}\n")
        }
        LogFormat::Json => {
            let text = serde_json::Value::from(text);
            format!(
                "{{\"pid\":{pid},\"role\":\"primary\",\"timestamp\":\"{time}\",\"level\":\"{word}\",\"message\":{text}}}\n"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_795_247_100_001;

    fn said(format: LogFormat, time: LogTime, text: &str) -> String {
        let pid = std::process::id().to_string();
        line(LogForm { format, time }, NOW_MS, LogLevel::Notice, text).replace(&pid, "PID")
    }

    #[test]
    fn a_line_has_the_form_that_was_asked_for() {
        let text = "a \"quoted\" word\nand\ta line";
        assert_eq!(
            said(LogFormat::Legacy, LogTime::Legacy, "ready"),
            "PID:M 21 Nov 2026 07:45:00.001 * ready\n"
        );
        assert_eq!(
            said(LogFormat::Logfmt, LogTime::Milliseconds, text),
            "pid=PID role=primary timestamp=\"1795247100001\" level=notice message=\"a \\\"quoted\\\" word\\nand\\ta line\"\n"
        );
        let json = said(LogFormat::Json, LogTime::Iso8601, text).replace("PID", "7");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["message"], text);
        assert_eq!(read["timestamp"], "2026-11-21T07:45:00.001Z");
        assert_eq!((&read["pid"], &read["level"]), (&7.into(), &"notice".into()));
    }
}

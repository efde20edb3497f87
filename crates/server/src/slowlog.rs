//! [`CommandLog`]: the last commands that took long, or whose request or reply was large; [`LatencyLog`]: the last such moments by kind of event.

use crate::command::{Command, REDACTED, is_secret};
use crate::resp::Args;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Arguments kept per entry, and bytes kept per argument: Redis's `SLOWLOG_ENTRY_MAX_ARGC` and `_MAX_STRING`.
const MAX_ARGS: usize = 32;
const MAX_ARG_BYTES: usize = 128;
/// Moments kept per event: Redis's `LATENCY_TS_LEN`.
const MAX_MOMENTS: usize = 160;

/// One such command.
#[derive(Clone, Debug)]
pub(crate) struct LogEntry {
    pub(crate) id: u64,
    pub(crate) unix_s: u64,
    /// Microseconds, or bytes.
    pub(crate) figure: u64,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) address: String,
    pub(crate) name: String,
}

#[derive(Debug, Default)]
struct Entries {
    next_id: u64,
    newest_first: VecDeque<LogEntry>,
}

/// Commands that stand out in one way.
#[derive(Debug, Default)]
pub(crate) struct CommandLog(Mutex<Entries>);

impl CommandLog {
    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Enters a command (`entry.id` is given here), keeping at most `max` entries.
    pub(crate) fn push(&self, mut entry: LogEntry, max: usize) {
        let mut entries = self.lock();
        entry.id = entries.next_id;
        entries.next_id += 1;
        entries.newest_first.push_front(entry);
        entries.newest_first.truncate(max);
    }
    pub(crate) fn len(&self) -> usize {
        self.lock().newest_first.len()
    }
    pub(crate) fn clear(&self) {
        self.lock().newest_first.clear();
    }
    /// The newest `n` entries.
    pub(crate) fn newest(&self, n: usize) -> Vec<LogEntry> {
        self.lock().newest_first.iter().take(n).cloned().collect()
    }
}

/// The arguments as the slow log keeps them: the first ones, each cut, no secrets, with a note on what was left out.
pub(crate) fn abridged(command: &Command, args: Args<'_>) -> Vec<Vec<u8>> {
    let kept = if args.len() > MAX_ARGS { MAX_ARGS - 1 } else { args.len() };
    let shown = |at: usize| match is_secret(command, args, at) {
        true => REDACTED.as_bytes().to_vec(),
        false => abridged_arg(args.at(at)),
    };
    let mut out: Vec<Vec<u8>> = (0..kept).map(shown).collect();
    if args.len() > kept {
        out.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
    }
    out
}

fn abridged_arg(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= MAX_ARG_BYTES {
        return arg.to_vec();
    }
    let mut out = arg[..MAX_ARG_BYTES].to_vec();
    out.extend(format!("... ({} more bytes)", arg.len() - MAX_ARG_BYTES).bytes());
    out
}

/// The server's logs of commands.
#[derive(Debug, Default)]
pub(crate) struct CommandLogs {
    pub(crate) slow: CommandLog,
    pub(crate) large_request: CommandLog,
    pub(crate) large_reply: CommandLog,
}

/// One event's history.
#[derive(Clone, Debug, Default)]
pub(crate) struct LatencyEvent {
    pub(crate) max_ms: u64,
    /// Of all its moments, those that are no longer kept included.
    pub(crate) sum_ms: u64,
    pub(crate) count: u64,
    /// `(unix seconds, milliseconds)`, oldest first.
    pub(crate) moments: VecDeque<(u64, u64)>,
}

/// What LATENCY reports.
#[derive(Debug, Default)]
pub(crate) struct LatencyLog(Mutex<BTreeMap<String, LatencyEvent>>);

impl LatencyLog {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, LatencyEvent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Enters a moment; those of one second are merged into the worst.
    pub(crate) fn push(&self, event: &str, unix_s: u64, ms: u64) {
        let mut events = self.lock();
        let event = events.entry(event.to_owned()).or_default();
        event.max_ms = event.max_ms.max(ms);
        event.sum_ms += ms;
        event.count += 1;
        match event.moments.back_mut() {
            Some((second, worst)) if *second == unix_s => *worst = (*worst).max(ms),
            _ => event.moments.push_back((unix_s, ms)),
        }
        if event.moments.len() > MAX_MOMENTS {
            event.moments.pop_front();
        }
    }
    pub(crate) fn all(&self) -> BTreeMap<String, LatencyEvent> {
        self.lock().clone()
    }
    /// Forgets one event; tells whether it was there.
    pub(crate) fn reset(&self, event: &str) -> bool {
        self.lock().remove(event).is_some()
    }
    /// Forgets all; tells how many there were.
    pub(crate) fn reset_all(&self) -> usize {
        let mut events = self.lock();
        let n = events.len();
        events.clear();
        n
    }
}

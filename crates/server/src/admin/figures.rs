//! [`Figures`]: what the admin port tells, gathered at one moment.

use super::recorder::Recorder;
use crate::clock;
use crate::command;
use crate::env::Server;
use crate::memory;
use crate::saving;
use crate::stats::Totals;
use serde_json::{Value, json};
use stillpoint_store::Stats;

/// Slow commands and kinds of commands that are shown.
const SLOW: usize = 20;
const COMMANDS: usize = 12;

/// Figures of one moment.
pub(super) struct Figures {
    pub(super) store: Stats,
    pub(super) totals: Totals,
    pub(super) keys: u64,
    pub(super) clients: u64,
    pub(super) resident_bytes: u64,
    pub(super) uptime_s: u64,
}

impl Figures {
    pub(super) fn of(server: &Server) -> Self {
        let databases = server.settings().databases;
        Figures {
            store: server.store.stats(),
            totals: server.totals(),
            keys: (0..databases).map(|db| server.store.len(db)).sum(),
            clients: server.clients.all().len() as u64,
            resident_bytes: memory::resident_bytes(),
            uptime_s: clock::now_ms().saturating_sub(server.started_ms) / 1000,
        }
    }

    pub(super) fn as_json(&self, server: &Server, recorder: &Recorder) -> Value {
        let (store, totals, settings) = (&self.store, &self.totals, server.settings());
        let save = server.saving.state();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_s": self.uptime_s,
            "keys": self.keys,
            "clients": self.clients,
            "commands": totals.processed,
            "hits": totals.keyspace_hits,
            "misses": totals.keyspace_misses,
            "memory": {
                "live_bytes": store.live_bytes,
                "old_version_bytes": store.old_version_bytes,
                "index_bytes": store.index_bytes,
                "pool_bytes": store.pool_bytes,
                "resident_bytes": self.resident_bytes,
                "max_bytes": settings.maxmemory,
            },
            "mvcc": {
                "snapshots": store.snapshots,
                "oldest_snapshot_age": store.oldest_snapshot_age,
                "old_versions": store.old_versions,
                "waiting_versions": store.waiting_versions,
                "unreclaimed": store.unreclaimed,
                "expired_snapshots": store.expired_snapshots,
                "commits": store.commits,
                "aborts": store.aborts,
                "helps": store.helps,
            },
            "saving": {
                "running": save.running_since_ms.is_some(),
                "failed": save.has_failed,
                "last_saved_ms": save.last_saved_ms,
                "changes": saving::changes(server),
            },
            "history": recorder.as_json(),
            "busiest": self.busiest(),
            "slow": slow(server),
        })
    }

    /// The commands that took most time.
    fn busiest(&self) -> Vec<Value> {
        let mut rows: Vec<_> = command::rows()
            .map(|(id, row)| (row, &self.totals.commands[id.index()]))
            .filter(|(_, total)| total.calls > 0)
            .collect();
        rows.sort_by_key(|(_, total)| std::cmp::Reverse(total.nanoseconds));
        rows.truncate(COMMANDS);
        let us = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
        rows.iter()
            .map(|(row, total)| {
                json!({
                    "name": row.name,
                    "calls": total.calls,
                    "failed": total.failed + total.rejected,
                    "mean_us": us(total.nanoseconds) / total.calls as f64,
                    "p50_us": us(total.durations.percentile(50.0)),
                    "p99_us": us(total.durations.percentile(99.0)),
                    "p999_us": us(total.durations.percentile(99.9)),
                })
            })
            .collect()
    }
}

fn slow(server: &Server) -> Vec<Value> {
    let text = |arg: &Vec<u8>| String::from_utf8_lossy(arg).into_owned();
    server
        .command_logs
        .slow
        .newest(SLOW)
        .iter()
        .map(|entry| {
            json!({
                "unix_s": entry.unix_s,
                "us": entry.figure,
                "args": entry.args.iter().map(text).collect::<Vec<String>>(),
                "client": entry.address,
            })
        })
        .collect()
}

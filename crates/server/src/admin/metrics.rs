//! `/metrics`: the figures as Prometheus reads them.

use super::figures::Figures;
use crate::command;
use crate::env::Server;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;

/// The media type.
pub(super) const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const QUANTILES: [(&str, f64); 3] = [("0.5", 50.0), ("0.99", 99.0), ("0.999", 99.9)];

pub(super) fn text(server: &Server) -> String {
    let mut registry = Registry::with_prefix("stillpoint");
    registry.register_collector(Box::new(Figures::of(server)));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => text,
        // A string takes everything: this would be a figure that cannot be written.
        Err(error) => format!("# {error}\n"),
    }
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (store, totals) = (&self.store, &self.totals);
        for (name, help, value) in [
            ("commands", "Commands processed", totals.processed),
            ("keyspace_hits", "Lookups that found their key", totals.keyspace_hits),
            ("keyspace_misses", "Lookups that did not", totals.keyspace_misses),
            ("network_received_bytes", "Bytes received", totals.net_input_bytes),
            ("network_sent_bytes", "Bytes sent", totals.net_output_bytes),
            ("commits", "Commits of the store", store.commits),
            ("aborts", "Transactions that ended in a conflict", store.aborts),
            ("helps", "Commits finished by another thread", store.helps),
            ("expired_keys", "Keys removed because they had expired", store.expired_keys),
            ("expired_snapshots", "Snapshots ended early", store.expired_snapshots),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(
                name,
                help,
                None,
                counter.metric_type(),
            )?)?;
        }
        for (name, help, value) in [
            ("uptime_seconds", "Since the start", self.uptime_s),
            ("keys", "Keys in all databases", self.keys),
            ("clients", "Connections", self.clients),
            ("live_bytes", "Keys and newest values", store.live_bytes),
            ("old_versions", "Versions kept for snapshots", store.old_versions),
            ("old_version_bytes", "Bytes of those", store.old_version_bytes),
            ("index_bytes", "The hash index", store.index_bytes),
            ("pool_bytes", "What the pool has from the system", store.pool_bytes),
            ("resident_bytes", "The process in memory", self.resident_bytes),
            ("unreclaimed_blocks", "Retired and not yet reclaimed", store.unreclaimed),
            ("snapshots", "Live snapshots", store.snapshots),
            (
                "oldest_snapshot_age",
                "Commit timestamps since the oldest",
                store.oldest_snapshot_age,
            ),
        ] {
            let gauge = ConstGauge::new(value as i64);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        self.encode_commands(&mut encoder)
    }
}

impl Figures {
    fn encode_commands(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let rows = || {
            command::rows()
                .map(|(id, row)| (row.name, &self.totals.commands[id.index()]))
                .filter(|(_, total)| total.calls > 0)
        };
        let mut calls =
            encoder.encode_descriptor("calls", "Runs of a command", None, MetricType::Counter)?;
        for (name, total) in rows() {
            let labels = [("command", name)];
            ConstCounter::new(total.calls).encode(calls.encode_family(&labels)?)?;
        }
        let help = "Duration of a command that so much of its runs does not exceed";
        let mut durations =
            encoder.encode_descriptor("duration_seconds", help, None, MetricType::Gauge)?;
        for (name, total) in rows().filter(|(_, total)| total.durations.count() > 0) {
            for (quantile, percent) in QUANTILES {
                let labels = [("command", name), ("quantile", quantile)];
                let seconds = total.durations.percentile(percent) as f64 / 1e9;
                ConstGauge::new(seconds).encode(durations.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

//! LATENCY, MEMORY: what one looks at when the server seems slow or large.

use super::help::{container, help};
use super::latency_graph::latency_graph;
use super::latency_histogram::latency_histogram;
use super::row::{Command, Group, Handler, Keys, flag::*};
use super::{CommandError, Context, Outcome};
use crate::memory;
use crate::resp::strict_integer;
use stillpoint_store::{At, Value};

const FLAGS: u32 = ADMIN | LOADING | STALE;

const fn row(
    name: &'static str,
    arity: i32,
    flags: u32,
    handler: Handler,
    since: &'static str,
    summary: &'static str,
) -> Command {
    Command::new(name, arity, flags, Keys::NONE, Group::Server, handler).doc(since, summary)
}

pub(crate) static ROWS: &[Command] = &[
    row("latency", -2, 0, container, "2.8.13", "A container for latency diagnostics commands.")
        .with(LATENCY),
    row("memory", -2, 0, container, "4.0.0", "A container for memory diagnostics commands.")
        .with(MEMORY),
];

static LATENCY: &[Command] = &[
    row(
        "latency|doctor",
        2,
        FLAGS,
        latency_doctor,
        "2.8.13",
        "Returns a human-readable latency analysis report.",
    ),
    row(
        "latency|help",
        2,
        LOADING | STALE,
        latency_help,
        "2.8.13",
        "Returns helpful text about the different subcommands.",
    ),
    row(
        "latency|histogram",
        -2,
        FLAGS,
        latency_histogram,
        "7.0.0",
        "Returns the cumulative distribution of latencies of commands.",
    ),
    row(
        "latency|graph",
        3,
        FLAGS,
        latency_graph,
        "2.8.13",
        "Returns a latency graph for an event.",
    ),
    row(
        "latency|history",
        3,
        FLAGS,
        latency_history,
        "2.8.13",
        "Returns timestamp-latency samples for an event.",
    ),
    row(
        "latency|latest",
        2,
        FLAGS,
        latency_latest,
        "2.8.13",
        "Returns the latest latency samples for all events.",
    ),
    row(
        "latency|reset",
        -2,
        FLAGS,
        latency_reset,
        "2.8.13",
        "Resets the latency data for one or more events.",
    ),
];

static MEMORY: &[Command] = &[
    row("memory|doctor", 2, 0, memory_doctor, "4.0.0", "Outputs a memory problems report."),
    row(
        "memory|help",
        2,
        LOADING | STALE,
        memory_help,
        "4.0.0",
        "Returns helpful text about the different subcommands.",
    ),
    row("memory|malloc-stats", 2, 0, malloc_stats, "4.0.0", "Returns the allocator statistics."),
    row("memory|purge", 2, 0, memory_purge, "4.0.0", "Asks the allocator to release memory."),
    row("memory|stats", 2, 0, memory_stats, "4.0.0", "Returns details about memory usage."),
    Command::new("memory|usage", -3, READONLY, Keys::at(2, 2, 1), Group::Server, memory_usage)
        .doc("4.0.0", "Estimates the memory usage of a key."),
];

fn latency_latest(ctx: &mut Context<'_>) -> Outcome {
    let events = ctx.env.server.latency.all();
    ctx.out.array(events.len());
    for (name, event) in events {
        let (unix_s, ms) = event.moments.back().copied().unwrap_or_default();
        // The last two are Valkey's.
        ctx.out.array(6);
        ctx.out.bulk(name.as_bytes());
        for figure in [unix_s, ms, event.max_ms, event.sum_ms, event.count] {
            ctx.out.integer(figure as i64);
        }
    }
    Ok(())
}

fn latency_history(ctx: &mut Context<'_>) -> Outcome {
    let name = String::from_utf8_lossy(ctx.args.at(2)).into_owned();
    let event = ctx.env.server.latency.all().remove(&name).unwrap_or_default();
    ctx.out.array(event.moments.len());
    for (unix_s, ms) in event.moments {
        ctx.out.array(2);
        ctx.out.integer(unix_s as i64);
        ctx.out.integer(ms as i64);
    }
    Ok(())
}

fn latency_reset(ctx: &mut Context<'_>) -> Outcome {
    let log = &ctx.env.server.latency;
    let gone = match ctx.args.len() {
        2 => log.reset_all(),
        _ => ctx.args.iter_from(2).filter(|name| log.reset(&String::from_utf8_lossy(name))).count(),
    };
    ctx.out.integer(gone as i64);
    Ok(())
}

fn latency_doctor(ctx: &mut Context<'_>) -> Outcome {
    let events = ctx.env.server.latency.all();
    let mut text = String::new();
    if ctx.env.settings.latency_ms == 0 {
        text.push_str(
            "Latency monitoring is off. CONFIG SET latency-monitor-threshold <milliseconds> turns it on.\n",
        );
    } else if events.is_empty() {
        text.push_str("No event has been slower than latency-monitor-threshold.\n");
    }
    for (name, event) in events {
        text.push_str(&format!(
            "{name}: {} latency spikes, the worst {} ms. SLOWLOG GET shows slow commands.\n",
            event.moments.len(),
            event.max_ms
        ));
    }
    ctx.out.verbatim("txt", &text);
    Ok(())
}

fn latency_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "DOCTOR",
        "    Return a human readable latency analysis report.",
        "HISTORY <event>",
        "    Return time-latency samples for the <event> class.",
        "HISTOGRAM [COMMAND ...]",
        "    Return a cumulative histogram of command latencies in microseconds.",
        "LATEST",
        "    Return the latest latency samples for all events.",
        "RESET [<event> ...]",
        "    Reset latency data of one or more <event> classes.",
        "    (default: reset all data for all event classes)",
    ];
    help(ctx, "LATENCY", &lines)
}

/// Index slot, version header, block rounding: what a key costs beside its bytes.
const ENTRY_BYTES: usize = 40;

fn memory_usage(ctx: &mut Context<'_>) -> Outcome {
    match ctx.args.len() {
        3 => {}
        5 if ctx.args.is(3, "samples") => {
            strict_integer(ctx.args.at(4)).filter(|n| *n >= 0).ok_or(CommandError::Syntax)?;
        }
        _ => return Err(CommandError::Syntax),
    }
    let at = At { space: ctx.session.db, now_ms: ctx.env.now_ms };
    let bytes = ctx.env.server.store.get_with(at, ctx.args.at(2), |entry| {
        let entry = entry?;
        let content_bytes = match entry.value() {
            Value::Bytes(bytes) => bytes.len(),
            Value::Object(object) => object.bytes(),
        };
        Some(ENTRY_BYTES + entry.key().len() + content_bytes)
    });
    match bytes {
        Some(bytes) => ctx.out.integer(bytes as i64),
        None => ctx.out.null(),
    }
    Ok(())
}

fn memory_stats(ctx: &mut Context<'_>) -> Outcome {
    let server = &ctx.env.server;
    let stats = server.store.stats();
    let (used, resident) = (memory::used_bytes(server), memory::resident_bytes());
    server.peak_memory.raise_to(used);
    let peak = server.peak_memory.get();
    let keys: u64 = (0..ctx.env.settings.databases).map(|db| server.store.len(db)).sum();
    let figures = [
        ("peak.allocated", peak),
        ("total.allocated", used),
        ("startup.allocated", 0),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", 0),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("overhead.total", used.saturating_sub(stats.live_bytes)),
        ("keys.count", keys),
        ("keys.bytes-per-key", used.checked_div(keys).unwrap_or(0)),
        ("dataset.bytes", stats.live_bytes),
        ("versions.old", stats.old_versions),
        ("versions.old-bytes", stats.old_version_bytes),
        ("index.bytes", stats.index_bytes),
        ("allocator.allocated", used),
        ("allocator.active", stats.pool_bytes.max(used)),
        ("allocator.resident", resident),
    ];
    let ratios = [
        ("dataset.percentage", 100.0 * stats.live_bytes as f64 / used.max(1) as f64),
        ("peak.percentage", 100.0 * used as f64 / peak.max(1) as f64),
        ("fragmentation", resident as f64 / used.max(1) as f64),
    ];
    ctx.out.map(figures.len() + ratios.len());
    for (name, value) in figures {
        ctx.out.bulk(name.as_bytes());
        ctx.out.integer(value as i64);
    }
    for (name, value) in ratios {
        ctx.out.bulk(name.as_bytes());
        ctx.out.double(value);
    }
    Ok(())
}

fn memory_doctor(ctx: &mut Context<'_>) -> Outcome {
    let stats = ctx.env.server.store.stats();
    let text = if stats.old_version_bytes > stats.live_bytes {
        format!(
            "Old versions ({} bytes) outweigh the data ({} bytes): a snapshot has been open for long.\n",
            stats.old_version_bytes, stats.live_bytes
        )
    } else {
        "Nothing stands out: old versions take less than the data.\n".to_owned()
    };
    ctx.out.verbatim("txt", &text);
    Ok(())
}

fn malloc_stats(ctx: &mut Context<'_>) -> Outcome {
    let stats = ctx.env.server.store.stats();
    let text = format!(
        "pool {} bytes, index {} bytes, process {} bytes\n",
        stats.pool_bytes,
        stats.index_bytes,
        memory::resident_bytes()
    );
    ctx.out.verbatim("txt", &text);
    Ok(())
}

fn memory_purge(ctx: &mut Context<'_>) -> Outcome {
    ctx.env.server.store.trim();
    ctx.out.ok();
    Ok(())
}

fn memory_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "DOCTOR",
        "    Return memory problems reports.",
        "MALLOC-STATS",
        "    Return internal statistics report from the memory allocator.",
        "PURGE",
        "    Attempt to purge dirty pages for reclamation by the allocator.",
        "STATS",
        "    Return information about the memory usage of the server.",
        "USAGE <key> [SAMPLES <count>]",
        "    Return memory in bytes used by <key> and its value.",
    ];
    help(ctx, "MEMORY", &lines)
}

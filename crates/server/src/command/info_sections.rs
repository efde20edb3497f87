//! What each section of INFO says: lines `field:value`, as tools parse them.

use super::Context;
use super::connection::REDIS_VERSION;
use crate::acl::Reason;
use crate::memory;
use crate::pubsub::Kind;
use crate::saving;
use std::fmt::Display;
use stillpoint_store::At;

fn line(text: &mut String, field: &str, value: impl Display) {
    text.push_str(&format!("{field}:{value}\r\n"));
}

/// `917.37K`, as Redis's `bytesToHuman`.
fn human(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes}B"),
        1024..1_048_576 => format!("{:.2}K", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.2}M", bytes as f64 / 1_048_576.0),
        _ => format!("{:.2}G", bytes as f64 / 1_073_741_824.0),
    }
}

pub(super) fn server(ctx: &Context<'_>, text: &mut String) {
    let (server, settings) = (&ctx.env.server, &ctx.env.settings);
    let uptime_s = ctx.env.now_ms.saturating_sub(server.started_ms) / 1000;
    let path = |path: Option<std::path::PathBuf>| path.unwrap_or_default().display().to_string();
    line(text, "redis_version", REDIS_VERSION);
    line(text, "redis_git_sha1", "00000000");
    line(text, "redis_git_dirty", 0);
    line(text, "redis_build_id", "0");
    line(text, "redis_mode", "standalone");
    line(text, "server_name", "stillpoint");
    line(text, "stillpoint_version", env!("CARGO_PKG_VERSION"));
    line(text, "os", std::env::consts::OS);
    line(text, "arch_bits", usize::BITS);
    line(text, "multiplexing_api", "epoll");
    line(text, "process_id", std::process::id());
    line(text, "process_supervised", settings.text("supervised"));
    line(text, "run_id", &server.run_id);
    line(text, "tcp_port", settings.text("port"));
    line(text, "server_time_usec", crate::clock::now_us());
    line(text, "uptime_in_seconds", uptime_s);
    line(text, "uptime_in_days", uptime_s / 86_400);
    line(text, "hz", settings.text("hz"));
    line(text, "configured_hz", settings.text("hz"));
    line(text, "lru_clock", (ctx.env.now_ms / 1000) & 0xff_ffff);
    line(text, "executable", path(std::env::current_exe().ok()));
    line(text, "config_file", path(server.config_file.clone()));
    line(text, "availability_zone", settings.text("availability-zone"));
    line(text, "io_threads_active", u8::from(settings.number("io-threads") > 1));
}

pub(super) fn clients(ctx: &Context<'_>, text: &mut String) {
    let cards = ctx.env.server.clients.all();
    let most =
        |of: fn(&crate::clients::Card) -> u64| cards.iter().map(|c| of(c)).max().unwrap_or(0);
    line(text, "connected_clients", cards.len());
    line(text, "cluster_connections", 0);
    line(text, "maxclients", ctx.env.settings.maxclients);
    line(text, "client_recent_max_input_buffer", most(|c| c.input_bytes.get()));
    line(text, "client_recent_max_output_buffer", most(|c| c.output_bytes.get()));
    line(text, "blocked_clients", ctx.env.server.blocking.count() + ctx.env.server.held_up.get());
    line(text, "watching_clients", cards.iter().filter(|card| card.watched.get() > 0).count());
    line(text, "total_watched_keys", cards.iter().map(|card| card.watched.get()).sum::<u64>());
    line(text, "tracking_clients", ctx.env.server.tracking.count());
    line(text, "pubsub_clients", cards.iter().filter(|card| card.is_subscriber()).count());
    line(text, "clients_in_timeout_table", 0);
    let (keys, keys_to_their_end) = ctx.env.server.blocking.count_keys();
    line(text, "total_blocking_keys", keys);
    line(text, "total_blocking_keys_on_nokey", keys_to_their_end);
    let left_ms = ctx.env.pause_left_ms();
    let (reason, actions) = match (left_ms, ctx.env.all_pause_left_ms().is_some()) {
        (None, _) => ("none", "none"),
        (Some(_), true) => ("client_pause", "all"),
        (Some(_), false) => ("client_pause", "write"),
    };
    line(text, "paused_reason", reason);
    line(text, "paused_actions", actions);
    line(text, "paused_timeout_milliseconds", left_ms.unwrap_or(0));
}

fn ratio(whole: u64, part: u64) -> String {
    format!("{:.2}", whole as f64 / part.max(1) as f64)
}

/// What is in use, what the allocators have for it, and what of that is in memory.
fn allocator(text: &mut String, used: u64, active: u64, resident: u64) {
    line(text, "allocator_allocated", used);
    line(text, "allocator_active", active);
    line(text, "allocator_resident", resident);
    line(text, "allocator_frag_ratio", ratio(active, used));
    line(text, "allocator_frag_bytes", active - used);
    line(text, "allocator_rss_ratio", ratio(resident, active));
    line(text, "allocator_rss_bytes", resident as i64 - active as i64);
    // What the process has is what the allocators have.
    line(text, "rss_overhead_ratio", "1.00");
    line(text, "rss_overhead_bytes", 0);
}

pub(super) fn memory(ctx: &Context<'_>, text: &mut String) {
    let server = &ctx.env.server;
    let (used, resident) = (memory::used_bytes(server), memory::resident_bytes());
    server.peak_memory.raise_to(used);
    let (peak, system) = (server.peak_memory.get(), memory::system_bytes());
    let maxmemory = ctx.env.settings.number("maxmemory") as u64;
    let stats = server.store.stats();
    let active = stats.pool_bytes.max(used);
    let dataset = (stats.live_bytes + stats.object_bytes).min(used);
    let both = |text: &mut String, field: &str, bytes: u64| {
        line(text, field, bytes);
        line(text, &format!("{field}_human"), human(bytes));
    };
    let percent =
        |part: u64, whole: u64| format!("{:.2}%", 100.0 * part as f64 / whole.max(1) as f64);
    both(text, "used_memory", used);
    both(text, "used_memory_rss", resident);
    both(text, "used_memory_peak", peak);
    line(text, "used_memory_peak_perc", percent(used, peak));
    line(text, "used_memory_overhead", used - dataset);
    line(text, "used_memory_startup", 0);
    line(text, "used_memory_dataset", dataset);
    line(text, "used_memory_dataset_perc", percent(dataset, used));
    allocator(text, used, active, resident);
    both(text, "total_system_memory", system);
    let scripting = &server.scripting;
    let (in_lua, scripts) = (scripting.watches.bytes(), scripting.scripts.bytes() as u64);
    both(text, "used_memory_lua", in_lua);
    both(text, "used_memory_vm_eval", in_lua);
    // Functions run in the interpreters of scripts.
    line(text, "used_memory_vm_functions", 0);
    both(text, "used_memory_vm_total", in_lua);
    both(text, "used_memory_scripts", scripts);
    line(text, "used_memory_scripts_eval", scripts);
    line(text, "number_of_cached_scripts", scripting.scripts.count());
    let libraries = scripting.libraries.now();
    line(text, "number_of_functions", libraries.functions_count());
    line(text, "number_of_libraries", libraries.all().len());
    both(text, "maxmemory", maxmemory);
    line(text, "maxmemory_policy", ctx.env.settings.text("maxmemory-policy"));
    line(text, "mem_fragmentation_ratio", ratio(resident, used));
    line(text, "mem_fragmentation_bytes", resident as i64 - used as i64);
    line(text, "mem_not_counted_for_evict", stats.old_version_bytes);
    line(text, "mem_replication_backlog", 0);
    line(text, "mem_total_replication_buffers", 0);
    line(text, "mem_cluster_links", 0);
    line(text, "mem_aof_buffer", 0);
    line(text, "mem_clients_slaves", 0);
    let clients: u64 = server.clients.all().iter().map(|card| card.held_bytes()).sum();
    line(text, "mem_clients_normal", clients);
    line(text, "mem_allocator", "mimalloc");
    line(text, "active_defrag_running", 0);
    // Old versions are no objects that anybody could still meet: INFO mvcc has them.
    let (pending, freed) = server.disposal.figures();
    line(text, "lazyfree_pending_objects", pending);
    line(text, "lazyfreed_objects", freed);
}

pub(super) fn persistence(ctx: &Context<'_>, text: &mut String) {
    line(text, "loading", 0);
    line(text, "async_loading", 0);
    let (server, now_ms) = (&ctx.env.server, ctx.env.now_ms);
    let state = server.saving.state();
    let running_since_ms = state.running_since_ms.filter(|_| state.in_background);
    let seconds = |ms: Option<u64>| ms.map_or(-1, |ms| (ms / 1000) as i64);
    line(text, "rdb_changes_since_last_save", saving::changes(server));
    line(text, "rdb_bgsave_in_progress", u8::from(running_since_ms.is_some()));
    line(text, "rdb_last_save_time", state.last_saved_ms / 1000);
    line(text, "rdb_last_bgsave_status", if state.has_failed { "err" } else { "ok" });
    line(text, "rdb_last_bgsave_time_sec", seconds(state.took_ms));
    let running_ms = running_since_ms.map(|since_ms| now_ms.saturating_sub(since_ms));
    line(text, "rdb_current_bgsave_time_sec", seconds(running_ms));
    line(text, "rdb_saves", state.saves);
    // Nothing is copied on write: a save reads a snapshot.
    line(text, "current_cow_size", 0);
    line(text, "rdb_last_cow_size", 0);
    line(text, "rdb_last_load_keys_expired", state.loaded.1);
    line(text, "rdb_last_load_keys_loaded", state.loaded.0);
    line(text, "aof_enabled", 0);
    line(text, "aof_rewrite_in_progress", 0);
    line(text, "aof_rewrite_scheduled", 0);
    line(text, "aof_last_rewrite_time_sec", -1);
    line(text, "aof_current_rewrite_time_sec", -1);
    line(text, "aof_rewrites", 0);
    line(text, "aof_last_cow_size", 0);
    line(text, "aof_last_bgrewrite_status", "ok");
    line(text, "aof_last_write_status", "ok");
}

/// Figures that tools look for of what this server has not: replicas, forks, cached sockets, defragmentation, overshoot of `maxmemory`.
fn not_there(text: &mut String) {
    for field in [
        "total_net_repl_input_bytes",
        "total_net_repl_output_bytes",
        "sync_full",
        "sync_partial_ok",
        "sync_partial_err",
        "slave_expires_tracked_keys",
        "latest_fork_usec",
        "total_forks",
        "migrate_cached_sockets",
        "total_eviction_exceeded_time",
        "current_eviction_exceeded_time",
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
    ] {
        line(text, field, 0);
    }
    line(text, "instantaneous_input_repl_kbps", "0.00");
    line(text, "instantaneous_output_repl_kbps", "0.00");
}

pub(super) fn stats(ctx: &Context<'_>, text: &mut String) {
    let server = &ctx.env.server;
    let totals = server.totals();
    line(text, "total_connections_received", server.clients.accepted.get());
    line(text, "total_commands_processed", totals.processed);
    let rates = &server.rates;
    let kilobytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    line(text, "instantaneous_ops_per_sec", rates.commands.get());
    line(text, "total_net_input_bytes", totals.net_input_bytes);
    line(text, "total_net_output_bytes", totals.net_output_bytes);
    line(text, "instantaneous_input_kbps", kilobytes(rates.input_bytes.get()));
    line(text, "instantaneous_output_kbps", kilobytes(rates.output_bytes.get()));
    line(text, "rejected_connections", server.clients.refused.get());
    let (expired, evicted) = server.removed_keys();
    line(text, "expired_keys", expired);
    // All that is due goes at once: none of it is stale, and no pass is cut short.
    line(text, "expired_stale_perc", "0.00");
    line(text, "expired_time_cap_reached_count", 0);
    line(text, "expired_fields", server.field_expiry.expired.get());
    line(text, "evicted_keys", evicted);
    line(text, "evicted_clients", server.evicted_clients.get());
    line(text, "evicted_scripts", server.scripting.scripts.evicted.get());
    line(text, "keyspace_hits", totals.keyspace_hits);
    line(text, "keyspace_misses", totals.keyspace_misses);
    line(text, "pubsub_channels", server.pubsub.count(Kind::Channel));
    line(text, "pubsub_patterns", server.pubsub.count(Kind::Pattern));
    line(text, "pubsubshard_channels", server.pubsub.count(Kind::Shard));
    not_there(text);
    line(text, "tracking_total_keys", server.tracking.keys.get());
    line(text, "tracking_total_items", server.tracking.items.get());
    line(text, "tracking_total_prefixes", server.tracking.prefixes());
    line(text, "unexpected_error_replies", 0);
    line(text, "total_error_replies", totals.errors.values().sum::<u64>());
    line(text, "total_reads_processed", totals.reads);
    line(text, "total_writes_processed", totals.writes);
    for (name, reason) in [
        ("auth", Reason::Auth),
        ("cmd", Reason::Command),
        ("key", Reason::Key),
        ("channel", Reason::Channel),
    ] {
        line(text, &format!("acl_access_denied_{name}"), server.acl.log.denied(reason));
    }
    line(text, "client_query_buffer_limit_disconnections", totals.query_limit_disconnections);
    line(text, "client_output_buffer_limit_disconnections", totals.output_limit_disconnections);
    line(text, "eventloop_cycles", totals.passes);
    line(text, "eventloop_duration_sum", totals.pass_nanoseconds / 1000);
    line(text, "eventloop_duration_cmd_sum", totals.command_nanoseconds() / 1000);
    line(text, "instantaneous_eventloop_cycles_per_sec", rates.passes.get());
    line(text, "instantaneous_eventloop_duration_usec", rates.pass_us.get());
}

pub(super) fn debug(ctx: &Context<'_>, text: &mut String) {
    let server = &ctx.env.server;
    line(text, "eventloop_duration_aof_sum", 0);
    line(text, "eventloop_duration_cron_sum", server.totals().tick_nanoseconds / 1000);
    line(text, "eventloop_duration_max", server.longest_pass_us());
    line(text, "eventloop_cmd_per_cycle_max", server.most_in_pass());
}

pub(super) fn mvcc(ctx: &Context<'_>, text: &mut String) {
    let (stats, settings) = (ctx.env.server.store.stats(), &ctx.env.settings);
    line(text, "mvcc_enabled", u8::from(settings.mvcc_enabled));
    line(text, "mvcc_max_versions", settings.mvcc_max_versions);
    line(text, "mvcc_gc_interval_us", settings.mvcc_gc_interval_us);
    line(text, "mvcc_clock", stats.clock);
    line(text, "mvcc_snapshots", stats.snapshots);
    line(text, "mvcc_oldest_snapshot_age", stats.oldest_snapshot_age);
    line(text, "mvcc_expired_snapshots", stats.expired_snapshots);
    line(text, "mvcc_live_bytes", stats.live_bytes);
    line(text, "mvcc_old_versions", stats.old_versions);
    line(text, "mvcc_old_version_bytes", stats.old_version_bytes);
    line(text, "mvcc_history_bytes", ctx.env.server.store.history_bytes());
    line(text, "mvcc_waiting_versions", stats.waiting_versions);
    line(text, "mvcc_unreclaimed_blocks", stats.unreclaimed);
    line(text, "mvcc_index_bytes", stats.index_bytes);
    line(text, "mvcc_pool_bytes", stats.pool_bytes);
    line(text, "mvcc_commits", stats.commits);
    line(text, "mvcc_aborts", stats.aborts);
    line(text, "mvcc_helps", stats.helps);
}

pub(super) fn replication(ctx: &Context<'_>, text: &mut String) {
    line(text, "role", "master");
    line(text, "connected_slaves", 0);
    line(text, "master_failover_state", "no-failover");
    line(text, "master_replid", &ctx.env.server.run_id);
    line(text, "master_replid2", "0".repeat(40));
    line(text, "master_repl_offset", 0);
    line(text, "second_repl_offset", -1);
    line(text, "repl_backlog_active", 0);
    line(text, "repl_backlog_size", ctx.env.settings.text("repl-backlog-size"));
    line(text, "repl_backlog_first_byte_offset", 0);
    line(text, "repl_backlog_histlen", 0);
}

pub(super) fn cpu(ctx: &Context<'_>, text: &mut String) {
    // Fields 14 and 15 of proc(5)'s stat, behind the command's name in brackets, are user and system time in ticks.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or("");
    let seconds = |i| {
        let ticks = fields.split_ascii_whitespace().nth(i).and_then(|f| f.parse::<f64>().ok());
        ticks.unwrap_or(0.0) / rustix::param::clock_ticks_per_second() as f64
    };
    line(text, "used_cpu_sys", format!("{:.6}", seconds(12)));
    line(text, "used_cpu_user", format!("{:.6}", seconds(11)));
    line(text, "used_cpu_sys_children", "0.000000");
    line(text, "used_cpu_user_children", "0.000000");
    // Valkey's name; of all loops here.
    let active = ctx.env.server.totals().pass_nanoseconds as f64 / 1e9;
    line(text, "used_active_time_main_thread", format!("{active:.6}"));
}

pub(super) fn commandstats(ctx: &Context<'_>, text: &mut String) {
    let totals = ctx.env.server.totals();
    for (id, row) in super::rows() {
        let t = &totals.commands[id.index()];
        if t.calls + t.rejected == 0 {
            continue;
        }
        let us = t.nanoseconds as f64 / 1000.0;
        text.push_str(&format!(
            "cmdstat_{}:calls={},usec={us:.0},usec_per_call={:.2},rejected_calls={},failed_calls={}\r\n",
            row.name,
            t.calls,
            us / t.calls.max(1) as f64,
            t.rejected,
            t.failed
        ));
    }
}

pub(super) fn errorstats(ctx: &Context<'_>, text: &mut String) {
    for (code, n) in ctx.env.server.totals().errors {
        text.push_str(&format!("errorstat_{code}:count={n}\r\n"));
    }
}

pub(super) fn cluster(_ctx: &Context<'_>, text: &mut String) {
    line(text, "cluster_enabled", 0);
}

/// Keys looked at to count those that expire; of larger databases the rest is judged by these.
const MAX_COUNTED: u64 = 20_000;

pub(super) fn keyspace(ctx: &Context<'_>, text: &mut String) {
    let (store, now_ms) = (&ctx.env.server.store, ctx.env.now_ms);
    for space in 0..ctx.env.settings.databases {
        let keys = store.len(space);
        if keys == 0 {
            continue;
        }
        let (mut cursor, mut seen, mut expires, mut ttl_ms) = (0, 0u64, 0u64, 0u64);
        loop {
            cursor = store.scan(At { space, now_ms }, cursor, 256, |entry| {
                seen += 1;
                if let Some(at_ms) = entry.expire_at_ms() {
                    expires += 1;
                    ttl_ms = ttl_ms.saturating_add(at_ms - now_ms);
                }
            });
            if cursor == 0 || seen >= MAX_COUNTED {
                break;
            }
        }
        let average = ttl_ms.checked_div(expires).unwrap_or(0);
        if cursor != 0 {
            expires = expires * keys / seen.max(1);
        }
        let timed = ctx.env.server.field_expiry.keys(space, &ctx.env.server.store);
        text.push_str(&format!(
            "db{space}:keys={keys},expires={expires},avg_ttl={average},keys_with_volatile_items={timed}\r\n"
        ));
    }
}

pub(super) fn latencystats(ctx: &Context<'_>, text: &mut String) {
    let totals = ctx.env.server.totals();
    let percents = ctx.env.settings.text("latency-tracking-info-percentiles");
    for (id, row) in super::rows() {
        let durations = &totals.commands[id.index()].durations;
        if durations.count() == 0 {
            continue;
        }
        let figures: Vec<String> = percents
            .split_ascii_whitespace()
            .filter_map(|percent| {
                let us = durations.percentile(percent.parse().ok()?) as f64 / 1000.0;
                Some(format!("p{percent}={us:.3}"))
            })
            .collect();
        line(text, &format!("latency_percentiles_usec_{}", row.name), figures.join(","));
    }
}

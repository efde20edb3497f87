//! BGSAVE under load, and loading what it saved.
//!
//! | metric | what |
//! |---|---|
//! | `steady_p999_ms`, `steady_max_ms` | waits of paced SETs before the save, counted from when each was due |
//! | `saving_p999_ms`, `saving_max_ms` | the same while it goes on |
//! | `freeze_ms` | for how long BGSAVE itself keeps its loop, as `INFO commandstats` tells: of a server that forks, the fork |
//! | `save_s` | from BGSAVE until INFO says that it is over |
//! | `memory_mb` | the server's resident memory before |
//! | `growth_percent` | by how much the machine's anonymous memory grew while saving, pages that processes share counted once, of the server's before |
//! | `load_keys_per_s` | keys by the time from the start of a new process until it answers |

use super::load;
use super::process::{Cores, Server, anonymous_bytes};
use super::wire::{Wire, push};
use crate::Outcome;
use crate::plan::Figure;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use stillpoint_testkit::Histogram;

/// SETs a second, over four threads of some connections each.
const RATE: u64 = 20_000;
const PACERS: u64 = 4;
const CONNECTIONS: usize = 12;
const STEADY: Duration = Duration::from_secs(3);

/// A directory of this run.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Outcome<Folder> {
        let path =
            std::env::temp_dir().join(format!("stillpoint-bench-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Fills a server of its own, saves it under load, loads it again.
pub(crate) fn run(
    name: &'static str,
    program: &Path,
    keys: u64,
    value_bytes: usize,
) -> Outcome<Vec<Figure>> {
    let folder = Folder::new(name)?;
    let place = folder.0.to_string_lossy().into_owned();
    let arguments = ["--save", "", "--dir", &place, "--dbfilename", "dump.rdb"];
    let server = Server::start(name, program, &arguments, Cores::All)?;
    load::fill(server.port(), keys, value_bytes, None)?;
    let mut figures = save(&server, keys, value_bytes)?;
    drop(server);
    let begun = Instant::now();
    let server = Server::start(name, program, &arguments, Cores::All)?;
    let mut wire = Wire::connect(server.port())?;
    // A server that accepts connections while it loads says so.
    while wire.run(&["DBSIZE"]).is_err() {
        thread::sleep(Duration::from_millis(5));
    }
    let took = begun.elapsed().as_secs_f64();
    let found = wire.ask(&["DBSIZE"])?;
    if found != keys.to_string() {
        return Err(format!("{name} saved {keys} keys and loaded {found}"));
    }
    figures.push(Figure::new("load_keys_per_s", "1/s", keys as f64 / took));
    Ok(figures)
}

fn save(server: &Server, keys: u64, value_bytes: usize) -> Outcome<Vec<Figure>> {
    let (saving, over) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let (saving, over) = (&saving, &over);
        let pacers: Vec<_> = (0..PACERS)
            .map(|number| {
                scope.spawn(move || pace(server.port(), number, keys, value_bytes, saving, over))
            })
            .collect();
        thread::sleep(STEADY);
        let watched = watch(server, saving);
        over.store(true, Ordering::Relaxed);
        let (mut steady, mut meanwhile) = (Histogram::new(), Histogram::new());
        for pacer in pacers {
            let waits = pacer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            steady.merge(&waits[0]);
            meanwhile.merge(&waits[1]);
        }
        let mut figures = watched?;
        let ms = |name: &str, ns: u64| Figure::new(name, "ms", ns as f64 / 1e6);
        figures.push(ms("steady_p999_ms", steady.at(0.999)));
        figures.push(ms("steady_max_ms", steady.max()));
        figures.push(ms("saving_p999_ms", meanwhile.at(0.999)));
        figures.push(ms("saving_max_ms", meanwhile.max()));
        Ok(figures)
    })
}

fn watch(server: &Server, saving: &AtomicBool) -> Outcome<Vec<Figure>> {
    let mut wire = Wire::connect(server.port())?;
    let (resident, before) = (server.rss_bytes()?, anonymous_bytes()?);
    saving.store(true, Ordering::Relaxed);
    let begun = Instant::now();
    wire.run(&["BGSAVE"])?;
    let mut most = before;
    loop {
        thread::sleep(Duration::from_millis(200));
        most = most.max(anonymous_bytes()?);
        if wire.ask(&["INFO", "persistence"])?.contains("rdb_bgsave_in_progress:0") {
            break;
        }
    }
    let took = begun.elapsed();
    saving.store(false, Ordering::Relaxed);
    if !wire.ask(&["INFO", "persistence"])?.contains("rdb_last_bgsave_status:ok") {
        return Err(format!("{} could not save", server.name()));
    }
    let freeze = time_of_bgsave_us(&wire.ask(&["INFO", "commandstats"])?)
        .ok_or_else(|| format!("{} does not tell what BGSAVE took", server.name()))?;
    let growth = (most - before) as f64 / resident as f64 * 100.0;
    Ok(vec![
        Figure::new("save_s", "s", took.as_secs_f64()),
        Figure::new("freeze_ms", "ms", freeze / 1e3),
        Figure::new("growth_percent", "%", growth),
        Figure::new("memory_mb", "MB", resident as f64 / 1e6),
    ])
}

/// Microseconds.
fn time_of_bgsave_us(command_stats: &str) -> Option<f64> {
    let row = command_stats.lines().find_map(|line| line.strip_prefix("cmdstat_bgsave:"))?;
    row.split(',').find_map(|field| field.strip_prefix("usec="))?.parse().ok()
}

/// Sets keys at an even pace until it is over; the waits before the save and during it.
fn pace(
    port: u16,
    number: u64,
    keys: u64,
    value_bytes: usize,
    saving: &AtomicBool,
    over: &AtomicBool,
) -> Outcome<[Histogram; 2]> {
    let mut wires = (0..CONNECTIONS).map(|_| Wire::connect(port)).collect::<Outcome<Vec<_>>>()?;
    let value = "y".repeat(value_bytes);
    let mut waits = [Histogram::new(), Histogram::new()];
    let gap = Duration::from_nanos(1_000_000_000 * PACERS / RATE);
    let mut due = Instant::now();
    let mut random = number + 1;
    let mut request = Vec::new();
    while !over.load(Ordering::Relaxed) {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = format!("key:{:012}", (random >> 33) % keys);
        let phase = usize::from(saving.load(Ordering::Relaxed));
        let wire = &mut wires[(random >> 20) as usize % CONNECTIONS];
        request.clear();
        push(&mut request, &["SET", &key, &value]);
        wire.send(&request)?;
        wire.skip(1)?;
        waits[phase].record_duration(due.elapsed());
        due += gap;
    }
    Ok(waits)
}

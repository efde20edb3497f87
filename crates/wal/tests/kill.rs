//! `kill -9` at any moment, again and again: a child writes and tells what was acknowledged, the parent kills it and looks at what is there.
//!
//! Each of the child's threads counts its steps. Step n of thread t is, in this order,
//! - a plain write of `solo:t` = n,
//! - one transaction: `count:t` = n, `saw:t` = the other threads' counts as they were read before, an amount from one account to another,
//!   `flip:t` set if n is odd and removed if not,
//! - a line `t n` into a pipe, when the transaction was acknowledged.
//!
//! | checked after each kill | in which modes |
//! |---|---|
//! | `count:t` is not below the last line that came | all but `None` |
//! | `solo:t` is `count:t` or one more | all |
//! | no `saw:t` tells of a count that is not there | all |
//! | `flip:t` fits `count:t`, the sum of all accounts is what it was | all |
//! | nothing that was there after the kill before is gone | all |
//!
//! `crates/wal/tests/power/run` does the same with a guest kernel whose power goes, and lets `judge` look at its disk: there the modes that do not
//! ask the device promise nothing.
//!
//! `STILLPOINT_KILLS` sets how many kills there are (default 20, over the four modes).
#![cfg(all(unix, not(any(stillpoint_loom, stillpoint_shuttle))))]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use stillpoint_store::{At, CommitError, Store, Transaction};
use stillpoint_wal::{Durability, DurableStore, Options};

const THREADS: usize = 3;
const ACCOUNTS: u64 = 16;
const AT: At = At { space: 0, now_ms: 0 };
const DIRECTORY: &str = "STILLPOINT_KILL_DIRECTORY";
const MODE: &str = "STILLPOINT_KILL_MODE";
const LINES: &str = "STILLPOINT_KILL_LINES";

fn durability(mode: &str) -> Durability {
    match mode {
        "none" => Durability::None,
        "buffered" => Durability::Buffered,
        "group" => Durability::Group { every: Duration::from_millis(2) },
        _ => Durability::Always,
    }
}

fn options(mode: &str) -> Options {
    Options {
        durability: durability(mode),
        // So that kills fall into ends of segments and into checkpoints too.
        segment_bytes: 16 << 10,
        checkpoint_bytes: Some(40 << 10),
        ..Options::default()
    }
}

fn key(name: &str, number: usize) -> Vec<u8> {
    format!("{name}:{number}").into_bytes()
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
}

fn read(store: &Store, key: &[u8]) -> Vec<u64> {
    store.get_with(AT, key, |entry| {
        entry.map_or_else(Vec::new, |entry| words(entry.bytes().unwrap()))
    })
}

fn count(store: &Store, thread: usize) -> u64 {
    read(store, &key("count", thread)).first().copied().unwrap_or(0)
}

/// Not a test: what the parent starts.
#[test]
#[ignore = "the child of the other test"]
fn child() {
    let directory = std::env::var(DIRECTORY).expect("started by the parent");
    let mode = std::env::var(MODE).unwrap();
    let store = DurableStore::open(directory, options(&mode)).expect("the directory is good");
    thread::scope(|scope| {
        for me in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                for step in count(store, me) + 1.. {
                    play(store, me, step);
                    // One write to the pipe, so that lines are whole.
                    let line = format!("step {me} {step}\n");
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

fn play(store: &DurableStore, me: usize, step: u64) {
    store.set(AT, &key("solo", me), 0, &step.to_le_bytes(), None).unwrap();
    let saw: Vec<u8> = (0..THREADS).flat_map(|other| count(store, other).to_le_bytes()).collect();
    loop {
        let mut transaction = store.begin(AT.now_ms);
        transfer(&mut transaction, me as u64 * 7 + step);
        transaction.set(AT.space, &key("count", me), 0, &step.to_le_bytes(), None);
        transaction.set(AT.space, &key("saw", me), 0, &saw, None);
        match step % 2 {
            1 => transaction.set(AT.space, &key("flip", me), 0, b"", None),
            _ => transaction.remove(AT.space, &key("flip", me)),
        }
        match transaction.commit() {
            Ok(()) => return,
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn transfer(transaction: &mut Transaction, number: u64) {
    let accounts = [number % ACCOUNTS, number / ACCOUNTS % ACCOUNTS];
    for (account, change) in accounts.into_iter().zip([number, number.wrapping_neg()]) {
        transaction
            .update(AT.space, &key("account", account as usize), |entry, draft| {
                let before = entry.map_or(0, |entry| words(entry.bytes().unwrap())[0]);
                draft.put(0, &[&before.wrapping_add(change).to_le_bytes()], None);
            })
            .unwrap();
    }
}

/// Starts a child, kills it after a while; the last line of each thread.
fn run_and_kill(directory: &Path, mode: &str, after: Duration) -> [u64; THREADS] {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(MODE, mode)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let (first, begun) = mpsc::channel();
    let reader = thread::spawn(move || {
        last_steps(lines, || {
            let _nobody_waits_any_more = first.send(());
        })
    });
    begun.recv_timeout(Duration::from_secs(60)).expect("the child does something");
    thread::sleep(after);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(status.code().is_none(), "it was not killed, it ended: {status}");
    reader.join().unwrap()
}

/// The last step of each thread that the lines tell of; `seen` is called for each line.
fn last_steps(lines: impl BufRead, mut seen: impl FnMut()) -> [u64; THREADS] {
    let mut last = [0; THREADS];
    for line in lines.split(b'\n').map(Result::unwrap) {
        let line = String::from_utf8_lossy(&line);
        let Some(step) = line.trim_end().strip_prefix("step ") else { continue };
        let mut numbers = step.split(' ').map_while(|number| number.parse::<u64>().ok());
        // A guest's console may end in the middle of a line.
        if let (Some(thread), Some(number)) = (numbers.next(), numbers.next())
            && number >= last[thread as usize]
        {
            last[thread as usize] = number;
            seen();
        }
    }
    last
}

/// Not a test: what looks at the disk of a guest whose power went. The counts of the time before stand in a file beside the lines.
#[test]
#[ignore = "called by power/run"]
fn judge() {
    let (directory, lines) = (std::env::var(DIRECTORY).unwrap(), std::env::var(LINES).unwrap());
    let mode = std::env::var(MODE).unwrap();
    let counts_file = format!("{lines}.counts");
    let before =
        std::fs::read(&counts_file).map_or_else(|_| vec![0; THREADS], |bytes| words(&bytes));
    let acknowledged = last_steps(BufReader::new(std::fs::File::open(&lines).unwrap()), || ());
    let promises = mode == "group" || mode == "always";
    let promised = if promises { acknowledged } else { [0; THREADS] };
    let store = DurableStore::open(directory, options(&mode)).unwrap();
    let counts = check(&store, &mode, &promised, &before);
    let recovery = store.recovery();
    println!(
        "{mode}: {acknowledged:?} acknowledged, {counts:?} there, {} bytes cut",
        recovery.cut_bytes
    );
    let bytes: Vec<u8> = counts.iter().flat_map(|count| count.to_le_bytes()).collect();
    std::fs::write(counts_file, bytes).unwrap();
}

fn check(store: &Store, mode: &str, acknowledged: &[u64], before: &[u64]) -> [u64; THREADS] {
    let counts: [u64; THREADS] = std::array::from_fn(|thread| count(store, thread));
    for thread in 0..THREADS {
        let there = counts[thread];
        assert!(there >= before[thread], "{mode}: {there} after {}", before[thread]);
        if mode != "none" {
            let promised = acknowledged[thread];
            assert!(there >= promised, "{mode}: {promised} was acknowledged, {there} is there");
        }
        let solo = read(store, &key("solo", thread)).first().copied().unwrap_or(0);
        assert!((there..=there + 1).contains(&solo), "{mode}: solo {solo}, count {there}");
        let saw = read(store, &key("saw", thread));
        assert!(
            saw.iter().zip(&counts).all(|(saw, count)| saw <= count),
            "{mode}: {saw:?} {counts:?}"
        );
        let flip = store.get_with(AT, &key("flip", thread), |entry| entry.is_some());
        assert_eq!(flip, there % 2 == 1, "{mode}: half a transaction");
    }
    let accounts = (0..ACCOUNTS as usize).flat_map(|account| read(store, &key("account", account)));
    assert_eq!(accounts.fold(0, u64::wrapping_add), 0, "{mode}: half a transfer");
    counts
}

fn kill_again_and_again(mode: &str, kills: usize) {
    let directory: PathBuf =
        std::env::temp_dir().join(format!("stillpoint-kill-{mode}-{}", std::process::id()));
    let mut before = [0; THREADS];
    let (mut torn, mut checkpoints, mut steps) = (0, 0, 0);
    for kill in 0..kills {
        // Steps through everything from the very beginning to some checkpoints.
        let after = Duration::from_micros((kill * kill * 7919 + kill * 104_729) as u64 % 250_000);
        let acknowledged = run_and_kill(&directory, mode, after);
        let store = DurableStore::open(&directory, options(mode)).unwrap();
        let counts = check(&store, mode, &acknowledged, &before);
        steps += counts.iter().sum::<u64>() - before.iter().sum::<u64>();
        before = counts;
        torn += usize::from(store.recovery().cut_bytes > 0);
        checkpoints += usize::from(store.recovery().checkpoint.is_some());
        // The next child opens it as it was left, every other time.
        if kill % 2 == 0 {
            store.close().unwrap();
        }
    }
    println!(
        "{mode}: {kills} kills, {steps} steps, {torn} torn tails, {checkpoints} openings by a checkpoint"
    );
    std::fs::remove_dir_all(directory).unwrap();
}

fn kills() -> usize {
    std::env::var("STILLPOINT_KILLS").map_or(20, |kills| kills.parse().unwrap()) / 4
}

#[test]
fn nothing_acknowledged_is_lost_and_what_is_there_is_a_cut_always() {
    kill_again_and_again("always", kills());
}

#[test]
fn nothing_acknowledged_is_lost_and_what_is_there_is_a_cut_group() {
    kill_again_and_again("group", kills());
}

#[test]
fn nothing_acknowledged_is_lost_and_what_is_there_is_a_cut_buffered() {
    kill_again_and_again("buffered", kills());
}

#[test]
fn what_is_there_is_a_cut_even_where_nothing_is_promised() {
    kill_again_and_again("none", kills());
}

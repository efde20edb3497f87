//! What a client reads inside SNAPSHOT is one cut: writers move amounts between 50 strings and 50 hashes by MULTI/EXEC, and every cut must have the
//! same sum, read by MGET and HVALS or by SCAN. The same check without SNAPSHOT must find torn sums, or it could not fail.
//!
//! `STILLPOINT_CUTS` sets how many cuts are checked (default 2,000).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use stillpoint_server::TestClient;

const EACH: usize = 50;
const TOTAL: i64 = 2 * EACH as i64 * 1_000;

fn open() -> TestClient {
    let mut client = TestClient::new();
    for number in 0..EACH {
        client.run(&["SET", &format!("s{number}"), "1000"]);
        client.run(&["HSET", &format!("h{number}"), "amount", "1000"]);
    }
    client
}

/// One command that changes the amount of account `number`, of which the first half are strings.
fn change(number: usize, by: i64) -> String {
    if number < EACH {
        format!("INCRBY s{number} {by}\r\n")
    } else {
        format!("HINCRBY h{} amount {by}\r\n", number - EACH)
    }
}

/// Lets two clients transfer while `check` runs. How many transfers there were.
fn under_transfers(client: &TestClient, check: impl FnOnce()) -> u64 {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for seed in [3usize, 8] {
            let (mut writer, stop, done) = (client.another(), &stop, &done);
            scope.spawn(move || {
                let mut random = seed;
                while !stop.load(Ordering::Relaxed) {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let (from, to) = ((random >> 33) % (2 * EACH), (random >> 45) % (2 * EACH));
                    let reply = writer.send(
                        format!("MULTI\r\n{}{}EXEC\r\n", change(from, -7), change(to, 7))
                            .as_bytes(),
                    );
                    assert!(!reply.starts_with(b"-"), "a transfer was refused");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        check();
        stop.store(true, Ordering::Relaxed);
    });
    done.into_inner()
}

/// The sum of all bulk strings that are numbers, and how many there were.
fn sum(reply: &[u8]) -> (i64, usize) {
    let text = std::str::from_utf8(reply).expect("numbers and names only");
    assert!(
        !text.lines().any(|line| line.starts_with("-ERR") || line.starts_with("-SNAP")),
        "{text}"
    );
    let mut lines = text.lines();
    let (mut sum, mut count) = (0, 0);
    while let Some(line) = lines.next() {
        if line.starts_with('$')
            && let Some(Ok(amount)) = lines.next().map(str::parse::<i64>)
        {
            sum += amount;
            count += 1;
        }
    }
    (sum, count)
}

/// Reads everything by name, inside SNAPSHOT or not.
fn by_name(in_snapshot: bool) -> Vec<u8> {
    let names: Vec<String> = (0..EACH).map(|number| format!("s{number}")).collect();
    let hashes: String = (0..EACH).map(|number| format!("HVALS h{number}\r\n")).collect();
    let reads = format!("MGET {}\r\n{hashes}", names.join(" "));
    if in_snapshot {
        format!("SNAPSHOT BEGIN\r\n{reads}SNAPSHOT END\r\n").into_bytes()
    } else {
        reads.into_bytes()
    }
}

/// Finds the keys by SCAN inside SNAPSHOT, then reads each.
fn by_scan(client: &mut TestClient) -> (i64, usize) {
    client.run(&["SNAPSHOT", "BEGIN"]);
    let mut keys = std::collections::BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let reply = client.run(&["SCAN", &cursor, "COUNT", "30"]);
        let mut words = reply.lines().filter(|line| !line.starts_with(['*', '$']));
        cursor = words.next().expect("a cursor").to_owned();
        keys.extend(words.map(str::to_owned));
        if cursor == "0" {
            break;
        }
    }
    let reads: String = keys
        .iter()
        .map(|key| {
            if key.starts_with('s') { format!("GET {key}\r\n") } else { format!("HVALS {key}\r\n") }
        })
        .collect();
    let found = sum(&client.send(reads.as_bytes()));
    client.run(&["SNAPSHOT", "END"]);
    found
}

#[test]
fn no_snapshot_is_torn() {
    let cuts: u64 = std::env::var("STILLPOINT_CUTS")
        .map_or(2_000, |cuts| cuts.parse().expect("a number of cuts"));
    let mut client = open();
    let mut reader = client.another();
    let request = by_name(true);
    let transfers = under_transfers(&client, || {
        for cut in 0..cuts {
            let found =
                if cut % 10 == 0 { by_scan(&mut reader) } else { sum(&reader.send(&request)) };
            assert_eq!(found, (TOTAL, 2 * EACH), "cut {cut} is torn");
        }
    });
    assert!(transfers > 100, "the writers did next to nothing: {transfers}");
    assert_eq!(sum(&client.send(&by_name(false))), (TOTAL, 2 * EACH));
    println!("{cuts} cuts, {transfers} transfers, none torn");
}

#[test]
fn plain_reads_are_torn() {
    let client = open();
    let mut reader = client.another();
    let request = by_name(false);
    let mut torn = 0;
    under_transfers(&client, || {
        for _ in 0..200_000 {
            torn += u64::from(sum(&reader.send(&request)) != (TOTAL, 2 * EACH));
            if torn > 10 {
                break;
            }
        }
    });
    assert!(torn > 0, "the check does not notice torn reads");
}

//! The data's file: what is saved is what is loaded, also by Redis; what is not sound is refused and nothing is lost.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use stillpoint_server::{Running, TestClient};

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("stillpoint-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }
    fn file(&self) -> PathBuf {
        self.0.join("dump.rdb")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn start(dir: &Dir, more: &[(&str, &str)]) -> (Running, redis::Connection) {
    let mut directives = vec![
        ("port", "0"),
        ("bind", "127.0.0.1"),
        ("enable-debug-command", "yes"),
        ("dir", dir.0.to_str().unwrap()),
    ];
    directives.extend_from_slice(more);
    let server = Running::start(&directives).unwrap();
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/", server.port())).unwrap();
    let connection = client.get_connection().unwrap();
    (server, connection)
}

fn run<T: redis::FromRedisValue>(
    c: &mut redis::Connection,
    words: &[&str],
) -> redis::RedisResult<T> {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command.query(c)
}

/// One key of every type and form, in three databases.
fn fill(c: &mut redis::Connection) {
    let mut pipe = redis::pipe();
    for i in 0..2_000 {
        pipe.cmd("SET").arg(format!("key:{i}")).arg(i * 77).ignore();
        pipe.cmd("SET").arg(format!("text:{i}")).arg("some text ".repeat(i % 40)).ignore();
        pipe.cmd("HSET").arg(format!("hash:{}", i % 50)).arg(format!("field:{i}")).arg(i).ignore();
        pipe.cmd("SADD").arg(format!("set:{}", i % 50)).arg(format!("member:{i}")).ignore();
        pipe.cmd("SADD").arg(format!("numbers:{}", i % 9)).arg(i).ignore();
        pipe.cmd("SADD").arg("members").arg(i).ignore();
        let score = i as f64 / 3.0;
        pipe.cmd("ZADD").arg(format!("sorted:{}", i % 50)).arg(score).arg(i).ignore();
        pipe.cmd("ZADD").arg("ranking").arg(-score).arg(i).ignore();
        pipe.cmd("HSET")
            .arg("large")
            .arg(format!("field:{i}"))
            .arg("value".repeat(i % 20))
            .ignore();
    }
    pipe.cmd("SET").arg("volatile").arg("soon").arg("EX").arg(1000).ignore();
    pipe.cmd("SET").arg("bytes").arg((0..=255u8).collect::<Vec<u8>>()).ignore();
    pipe.cmd("SET").arg("").arg("").ignore();
    for db in [1, 9] {
        pipe.cmd("SELECT").arg(db).ignore();
        pipe.cmd("SET").arg("where").arg(db).ignore();
    }
    pipe.cmd("SELECT").arg(0).ignore();
    let () = pipe.query(c).unwrap();
}

#[test]
fn what_is_saved_comes_back() {
    let dir = Dir::new("round");
    let (_server, mut c) = start(&dir, &[]);
    fill(&mut c);
    let before: String = run(&mut c, &["DEBUG", "DIGEST"]).unwrap();
    let () = run(&mut c, &["DEBUG", "RELOAD"]).unwrap();
    let after: String = run(&mut c, &["DEBUG", "DIGEST"]).unwrap();
    assert_eq!(before, after);
    let ttl: i64 = run(&mut c, &["TTL", "volatile"]).unwrap();
    assert!((900..=1000).contains(&ttl), "{ttl}");
    let () = run(&mut c, &["SELECT", "9"]).unwrap();
    let there: i64 = run(&mut c, &["GET", "where"]).unwrap();
    assert_eq!(there, 9);
}

#[test]
fn a_save_in_the_background_is_one_cut_and_holds_up_nobody() {
    let dir = Dir::new("background");
    let (_server, mut c) = start(&dir, &[]);
    for i in 0..200 {
        let () = run(&mut c, &["SET", &format!("k{i}"), "0"]).unwrap();
    }
    let () = run(&mut c, &["CONFIG", "SET", "rdb-key-save-delay", "5000"]).unwrap();
    let () = run(&mut c, &["BGSAVE"]).unwrap();
    let busy = run::<()>(&mut c, &["BGSAVE"]).unwrap_err();
    assert!(busy.to_string().contains("Background save already in progress"), "{busy}");
    // While it lasts every key changes, and others come; none of it may be in the file.
    for i in 0..400 {
        let () = run(&mut c, &["SET", &format!("k{i}"), "1"]).unwrap();
    }
    let running: String = run(&mut c, &["INFO", "persistence"]).unwrap();
    assert!(running.contains("rdb_bgsave_in_progress:1"), "{running}");
    loop {
        let info: String = run(&mut c, &["INFO", "persistence"]).unwrap();
        if info.contains("rdb_bgsave_in_progress:0") {
            assert!(info.contains("rdb_last_bgsave_status:ok"), "{info}");
            assert!(info.contains("rdb_saves:1"), "{info}");
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let () = run(&mut c, &["DEBUG", "RELOAD", "NOSAVE"]).unwrap();
    let count: i64 = run(&mut c, &["DBSIZE"]).unwrap();
    assert_eq!(count, 200);
    for i in 0..200 {
        let value: i64 = run(&mut c, &["GET", &format!("k{i}")]).unwrap();
        assert_eq!(value, 0, "k{i}");
    }
}

#[test]
fn whatever_is_torn_or_flipped_is_refused_with_its_offset() {
    let dir = Dir::new("torn");
    let (_server, mut c) = start(&dir, &[]);
    for i in 0..300 {
        let () = run(&mut c, &["HSET", &format!("h{}", i % 7), &i.to_string(), "value"]).unwrap();
        let () = run(&mut c, &["SET", &format!("k{i}"), "some text, some text"]).unwrap();
    }
    let () = run(&mut c, &["SAVE"]).unwrap();
    let whole = std::fs::read(dir.file()).unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    for round in 0..120 {
        let mut bytes = whole.clone();
        if round % 2 == 0 {
            bytes.truncate(random.usize(..bytes.len()));
        } else {
            let at = random.usize(..bytes.len());
            bytes[at] ^= 1 << random.u8(..8);
        }
        std::fs::write(dir.file(), &bytes).unwrap();
        let refused = run::<()>(&mut c, &["DEBUG", "RELOAD", "NOSAVE", "NOFLUSH"]);
        assert!(refused.is_err(), "round {round}");
        assert_eq!(std::fs::read(dir.file()).unwrap(), bytes);
    }
}

#[test]
fn a_save_that_fails_leaves_the_old_file_and_is_told() {
    let dir = Dir::new("fails");
    let (_server, mut c) = start(&dir, &[("save", "3600 1000000")]);
    let () = run(&mut c, &["SET", "a", "1"]).unwrap();
    let () = run(&mut c, &["SAVE"]).unwrap();
    let old = std::fs::read(dir.file()).unwrap();
    let () = run(&mut c, &["SET", "a", "2"]).unwrap();
    // A directory in the file's place cannot be replaced by a file.
    std::fs::rename(dir.file(), dir.0.join("kept")).unwrap();
    std::fs::create_dir_all(dir.file().join("full")).unwrap();
    let failed = run::<()>(&mut c, &["SAVE"]).unwrap_err();
    assert!(failed.to_string().contains("could not be saved"), "{failed}");
    let refused = run::<()>(&mut c, &["SET", "a", "3"]).unwrap_err();
    assert_eq!(refused.code(), Some("MISCONF"));
    let a: i64 = run(&mut c, &["GET", "a"]).unwrap();
    assert_eq!(a, 2);
    let left: Vec<_> = std::fs::read_dir(&dir.0).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "temporary files are left: {left:?}");
    std::fs::remove_dir_all(dir.file()).unwrap();
    std::fs::rename(dir.0.join("kept"), dir.file()).unwrap();
    assert_eq!(std::fs::read(dir.file()).unwrap(), old);
    let () = run(&mut c, &["SAVE"]).unwrap();
    let () = run(&mut c, &["SET", "a", "3"]).unwrap();
}

#[test]
fn dumped_values_are_restored() {
    let mut c = TestClient::new();
    c.run(&["SET", "s", "text"]);
    c.run(&["HSET", "h", "f", "v", "g", "1"]);
    // A checksum of 0, which a file may have, is one like others here.
    let unsigned = "local d = redis.call('dump', 's') return redis.call('restore', 't', 0, d:sub(1, -9) .. ('\\0'):rep(8))";
    let refused = c.run(&["EVAL", unsigned, "0"]);
    assert!(refused.contains("DUMP payload version or checksum are wrong"), "{refused}");
    let dumps = [c.run_bytes(&[b"DUMP", b"s"]), c.run_bytes(&[b"DUMP", b"h"])];
    for (key, reply) in ["s", "h"].iter().zip(&dumps) {
        let from = reply.iter().position(|b| *b == b'\n').unwrap() + 1;
        let payload = &reply[from..reply.len() - 2];
        let restore = |c: &mut TestClient, payload: &[u8], more: &[u8]| {
            let to = format!("{key}2");
            let words: [&[u8]; 5] = [b"RESTORE", to.as_bytes(), b"0", payload, more];
            let count = if more.is_empty() { 4 } else { 5 };
            c.run_bytes(&words[..count])
        };
        assert_eq!(restore(&mut c, payload, b""), b"+OK\r\n");
        assert!(restore(&mut c, payload, b"").starts_with(b"-BUSYKEY"));
        assert_eq!(restore(&mut c, payload, b"REPLACE"), b"+OK\r\n");
        for at in 0..payload.len() {
            let mut bad = payload.to_vec();
            bad[at] ^= 4;
            assert!(restore(&mut c, &bad, b"REPLACE").starts_with(b"-ERR"), "{at}");
        }
    }
    assert_eq!(c.run(&["GET", "s2"]), "$4\r\ntext\r\n");
    assert_eq!(c.run(&["HGET", "h2", "g"]), "$1\r\n1\r\n");
    assert_eq!(c.run(&["DUMP", "nothing"]), "$-1\r\n");
}

/// Whether Redis's own programs are on this machine.
fn has(program: &str) -> bool {
    let status = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    let there = status.is_ok();
    if !there {
        eprintln!("skipped: no {program} here");
    }
    there
}

#[test]
fn redis_reads_what_is_saved_here_and_the_other_way_round() {
    if !has("redis-server") || !has("redis-check-rdb") {
        return;
    }
    let dir = Dir::new("redis");
    let (_server, mut c) = start(&dir, &[]);
    fill(&mut c);
    let () = run(&mut c, &["SAVE"]).unwrap();
    let checked = Command::new("redis-check-rdb").arg(dir.file()).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let mut peer = Peer::start(&dir.0);
    let keys: i64 = run(&mut peer.connection, &["DBSIZE"]).unwrap();
    let ours: i64 = run(&mut c, &["DBSIZE"]).unwrap();
    assert_eq!(keys, ours);
    for key in ["key:999", "text:39", "bytes"] {
        let theirs: Vec<u8> = run(&mut peer.connection, &["GET", key]).unwrap();
        assert_eq!(theirs, run::<Vec<u8>>(&mut c, &["GET", key]).unwrap(), "{key}");
    }
    let fields: i64 = run(&mut peer.connection, &["HLEN", "large"]).unwrap();
    assert_eq!(fields, 2000);
    let before: String = run(&mut c, &["DEBUG", "DIGEST"]).unwrap();
    let () = run(&mut peer.connection, &["SAVE"]).unwrap();
    let () = run(&mut c, &["DEBUG", "RELOAD", "NOSAVE"]).unwrap();
    let after: String = run(&mut c, &["DEBUG", "DIGEST"]).unwrap();
    assert_eq!(before, after);
}

/// A real Redis over a directory.
struct Peer {
    process: std::process::Child,
    connection: redis::Connection,
}

impl Peer {
    fn start(dir: &Path) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--dir", dir.to_str().unwrap()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}/")).unwrap();
        for _ in 0..200 {
            if let Ok(mut connection) = client.get_connection()
                && run::<i64>(&mut connection, &["DBSIZE"]).is_ok()
            {
                return Peer { process, connection };
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        process.kill().and_then(|()| process.wait()).unwrap();
        panic!("redis-server did not start, or could not load the file");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _waited = self.process.wait();
    }
}

#[test]
fn what_flushall_has_removed_does_not_come_back_from_the_file() {
    let dir = Dir::new("flushed");
    let (server, mut c) = start(&dir, &[("save", "3600 1000000")]);
    let () = run(&mut c, &["SET", "a", "1"]).unwrap();
    let () = run(&mut c, &["SAVE"]).unwrap();
    let () = run(&mut c, &["FLUSHALL"]).unwrap();
    let begun = std::time::Instant::now();
    let saves = |c: &mut redis::Connection| -> bool {
        run::<String>(c, &["INFO", "persistence"]).unwrap().contains("rdb_saves:2\r\n")
    };
    while !saves(&mut c) {
        assert!(begun.elapsed().as_secs() < 20, "no save follows");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let _: redis::RedisResult<()> = run(&mut c, &["SHUTDOWN", "NOSAVE"]);
    server.join().unwrap();
    let (server, mut c) = start(&dir, &[]);
    assert_eq!(run::<u64>(&mut c, &["DBSIZE"]), Ok(0));
    server.stop().unwrap();
}

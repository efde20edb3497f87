//! A server that is killed while it saves, or has no room to save: the old file is as it was, and what failed is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server of its own process in a directory of its own.
struct Server {
    child: Child,
    port: u16,
}

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
    fn start(&self, shell: &str) -> Server {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "{shell} exec {} --port {port} --bind 127.0.0.1 --save '3600 1' --rdbcompression no --dir {}",
                env!("CARGO_BIN_EXE_stillpoint"),
                self.0.display()
            ))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Server { child, port }
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

impl Server {
    fn connect(&mut self) -> Client {
        let begun = Instant::now();
        loop {
            // A process that was just forked may hold the socket for a moment that chose the port: only who answers is the server.
            if let Ok(socket) = TcpStream::connect(("127.0.0.1", self.port))
                && let mut client = Client(BufReader::new(socket))
                && client.try_ask("PING").is_ok_and(|reply| reply == "+PONG")
            {
                return client;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "the server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for a server that ends by itself; what it says.
    fn last_words(mut self) -> String {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(!self.child.wait().unwrap().success());
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    /// Sends a line; the reply's first line, or the text that it announces.
    fn ask(&mut self, line: &str) -> String {
        self.try_ask(line).unwrap()
    }

    fn try_ask(&mut self, line: &str) -> std::io::Result<String> {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        let mut reply = String::new();
        self.0.read_line(&mut reply)?;
        let reply = reply.trim_end().to_owned();
        Ok(match reply.strip_prefix('$').and_then(|len| len.parse::<usize>().ok()) {
            None => reply,
            Some(len) => {
                let mut text = vec![0; len + 2];
                self.0.read_exact(&mut text)?;
                String::from_utf8(text).unwrap().trim_end().to_owned()
            }
        })
    }

    fn fill(&mut self, keys: usize, value: &str) {
        for key in 0..keys {
            assert_eq!(self.ask(&format!("SET key:{key} {value}")), "+OK");
        }
    }
}

#[test]
fn a_kill_during_a_save_leaves_the_last_whole_one() {
    let dir = Dir::new("killed");
    for command in ["BGSAVE", "SAVE"] {
        let mut server = dir.start("");
        let mut client = server.connect();
        client.fill(300, "old");
        assert_eq!(client.ask("SAVE"), "+OK");
        let whole = std::fs::read(dir.file()).unwrap();
        client.fill(600, "new");
        assert_eq!(client.ask("CONFIG SET rdb-key-save-delay 3000"), "+OK");
        client.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let begun = Instant::now();
        let temporary = || {
            let files = std::fs::read_dir(&dir.0).unwrap().map(|file| file.unwrap().file_name());
            files.filter(|name| name.to_string_lossy().starts_with("temp-")).count()
        };
        while temporary() == 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "the save does not begin");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(100));
        drop(server);
        assert!(temporary() > 0, "{command} had ended before the kill");
        assert_eq!(std::fs::read(dir.file()).unwrap(), whole, "{command}");
        let mut server = dir.start("");
        let mut client = server.connect();
        assert_eq!(client.ask("DBSIZE"), ":300");
        assert_eq!(client.ask("GET key:299"), "old");
        assert_eq!(temporary(), 0, "what was left behind is gone");
        drop(server);
        for file in std::fs::read_dir(&dir.0).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
}

#[test]
fn a_disk_without_room_is_told_refuses_writes_and_keeps_the_old_file() {
    let dir = Dir::new("full");
    // 64 blocks of 512 bytes (or of 1 KiB, as shells differ): a write beyond them fails.
    let mut server = dir.start("trap '' XFSZ; ulimit -f 64;");
    let mut client = server.connect();
    client.fill(100, "small");
    assert_eq!(client.ask("SAVE"), "+OK");
    let whole = std::fs::read(dir.file()).unwrap();
    client.fill(1000, &"large".repeat(40));
    let refused = client.ask("SAVE");
    assert!(refused.starts_with("-ERR") && refused.contains("large"), "{refused}");
    for command in ["SAVE", "BGSAVE"] {
        let misconf = client.ask("SET key:0 new");
        assert!(misconf.starts_with("-MISCONF "), "{misconf}");
        assert_eq!(client.ask("GET key:1"), "large".repeat(40));
        let info = client.ask("INFO persistence");
        assert!(info.contains("rdb_last_bgsave_status:err"), "{info}");
        assert_eq!(std::fs::read(dir.file()).unwrap(), whole);
        assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 1, "a temporary file is left");
        let begun = client.ask(command);
        assert!(
            begun.starts_with(if command == "SAVE" { "-ERR" } else { "+Background" }),
            "{begun}"
        );
        while client.ask("INFO persistence").contains("rdb_bgsave_in_progress:1") {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    // What is deleted makes room: then it goes on.
    assert_eq!(client.ask("CONFIG SET stop-writes-on-bgsave-error no"), "+OK");
    assert_eq!(client.ask("FLUSHALL"), "+OK");
    assert_eq!(client.ask("CONFIG SET stop-writes-on-bgsave-error yes"), "+OK");
    assert_eq!(client.ask("SAVE"), "+OK");
    assert_eq!(client.ask("SET key:0 new"), "+OK");
    assert!(client.ask("INFO persistence").contains("rdb_last_bgsave_status:ok"));
}

#[test]
fn a_torn_file_is_refused_at_the_start_with_its_offset_and_kept() {
    let dir = Dir::new("torn-start");
    let mut server = dir.start("");
    let mut client = server.connect();
    client.fill(50, "value");
    assert_eq!(client.ask("SAVE"), "+OK");
    drop(server);
    let mut torn = std::fs::read(dir.file()).unwrap();
    torn.truncate(torn.len() / 2);
    std::fs::write(dir.file(), &torn).unwrap();
    let said = dir.start("").last_words();
    assert!(said.contains("offset") && said.contains("dump.rdb"), "{said}");
    assert_eq!(std::fs::read(dir.file()).unwrap(), torn);
}

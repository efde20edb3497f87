//! What cannot be served is told at once, in words that say what to do; and what is told to be in force is.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("stillpoint-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }
    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// Starts a server that is expected to end by itself; what it says.
fn refusal(words: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stillpoint"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended before it reads.
    let _taken = child.stdin.take().unwrap().write_all(input.as_bytes());
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("{words:?} is served");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!child.wait().unwrap().success());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said
}

#[test]
fn options_that_make_no_sense_are_named() {
    for (words, why) in [
        (&["--prot", "1"][..], "unknown option '--prot' (see stillpoint --help)"),
        (&["--port", "70000"], "'port': argument must be between 0 and 65535 inclusive"),
        (&["--port"], "'port': wrong number of arguments"),
        (&["--maxmemory", "10xx"], "'maxmemory': argument must be a memory value"),
        (&["--replicaof", "10.0.0.1", "6379"], "this server cannot be a replica"),
        (&["--appendonly", "yes"], "there is no append-only file here"),
        (&["--dbfilename", "a/b"], "dbfilename can't be a path, just a filename"),
        (&["--rename-command", "nothing", "x"], "No such command in rename-command: 'nothing'"),
        (&["/nowhere/x.conf"], "cannot use config file '/nowhere/x.conf': No such file"),
    ] {
        let said = refusal(words, "");
        assert!(said.starts_with("stillpoint: ") && said.contains(why), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let said = refusal(&["-"], "hz 20\nfoo bar\n");
    assert!(said.contains("config file, line 2: 'foo bar': unknown directive 'foo'"), "{said}");
}

#[test]
fn a_port_in_use_is_told_before_the_data_are_read() {
    let dir = Dir::new("port-first");
    std::fs::write(dir.path("dump.rdb"), "no data").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (folder, socket) = (dir.path(""), dir.path("a.sock"));
    let words = ["--port", &port, "--bind", "127.0.0.1", "--dir", &folder];
    let said = refusal(&words, "");
    assert!(said.contains("the address is in use"), "{said}");
    drop(taken);
    let said = refusal(&[&words[..], &["--unixsocket", &socket]].concat(), "");
    assert!(said.contains("cannot load 'dump.rdb'") || said.contains("dump.rdb': "), "{said}");
    assert!(!std::fs::exists(&socket).unwrap(), "the socket is left behind");
    std::fs::write(&socket, "mine").unwrap();
    let said = refusal(&["--port", "0", "--dir", &folder, "--unixsocket", &socket], "");
    assert!(said.contains("there is a file of that name"), "{said}");
    assert_eq!(std::fs::read(&socket).unwrap(), b"mine");
}

#[test]
fn the_pidfile_is_there_as_long_as_the_server_is() {
    let dir = Dir::new("pidfile");
    let (folder, pidfile, socket) = (dir.path(""), dir.path("a.pid"), dir.path("a.sock"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_stillpoint"))
        .args(["--port", "0", "--dir", &folder, "--save", ""])
        .args(["--unixsocket", &socket, "--pidfile", &pidfile])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let mut written = String::new();
    while !written.ends_with('\n') {
        assert!(begun.elapsed() < Duration::from_secs(20), "there is no pidfile");
        std::thread::sleep(Duration::from_millis(10));
        written = std::fs::read_to_string(&pidfile).unwrap_or_default();
    }
    assert_eq!(written.trim(), child.id().to_string());
    let mut client = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    client.write_all(b"SHUTDOWN\r\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!std::fs::exists(&pidfile).unwrap() && !std::fs::exists(&socket).unwrap());
}

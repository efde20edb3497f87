//! [`Server`]: the server under test, fresh for each unit.

use super::Outcome;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);

/// A running server in an empty directory, both of which go with this.
pub(crate) struct Server {
    child: Child,
    dir: PathBuf,
    pub(crate) port: u16,
}

impl Server {
    /// Starts it as Valkey's suite asks for.
    pub(crate) fn start(binary: &Path) -> Outcome<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|free| free.local_addr())
            .map_err(|e| format!("no free port: {e}"))?
            .port();
        let dir = std::env::temp_dir().join(format!("stillpoint-suite-{port}"));
        std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let open = |name: &str| {
            std::fs::File::create(dir.join(name)).map_err(|e| format!("{}: {e}", dir.display()))
        };
        let child = Command::new(binary)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--enable-debug-command", "yes", "--enable-protected-configs", "yes"])
            .args(["--enable-module-command", "yes"])
            .arg("--dir")
            .arg(&dir)
            .stdout(Stdio::from(open("log")?))
            .stderr(Stdio::from(open("errors")?))
            .spawn()
            .map_err(|e| format!("{}: {e}", binary.display()))?;
        let mut server = Server { child, dir, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait().map_err(|e| e.to_string())?;
            if ended.is_some() || begun.elapsed() > START {
                let said = std::fs::read_to_string(server.dir.join("errors")).unwrap_or_default();
                return Err(format!("{} did not start: {said}", binary.display()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before, and a directory that stays does no harm.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
        let _removed = std::fs::remove_dir_all(&self.dir);
    }
}

/// Runs a command for as long as allowed and returns what it wrote.
pub(crate) fn output_of(mut command: Command, limit: Duration) -> Outcome<String> {
    let name = format!("{command:?}");
    let file = std::env::temp_dir().join(format!("stillpoint-suite-{}.txt", std::process::id()));
    let out = std::fs::File::create(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let errors = out.try_clone().map_err(|e| e.to_string())?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(out))
        .stderr(Stdio::from(errors))
        .process_group(0)
        .spawn()
        .map_err(|e| format!("{name}: {e}"))?;
    let begun = Instant::now();
    while matches!(child.try_wait(), Ok(None)) {
        if begun.elapsed() > limit {
            end_group(child.id())
                .and_then(|()| child.wait())
                .map_err(|e| format!("{name}: {e}"))?;
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let bytes = std::fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    std::fs::remove_file(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(without_colours(&String::from_utf8_lossy(&bytes)))
}

/// Ends a process and those that it has started.
fn end_group(leader: u32) -> std::io::Result<()> {
    Command::new("kill").args(["-KILL", "--", &format!("-{leader}")]).status().map(|_| ())
}

fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

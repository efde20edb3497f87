//! The admin port: figures over HTTP, for who may read them.

use std::io::{Read, Write};
use std::net::TcpStream;
use stillpoint_server::Running;

fn ask(port: u16, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let status = reply.split(' ').nth(1).unwrap().parse().unwrap();
    let body = reply.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}

fn get(port: u16, path: &str, host: &str) -> (u16, String) {
    ask(port, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

#[test]
fn figures_are_told_to_this_machine_only_and_nothing_can_be_changed() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let directives = [("port", "0"), ("bind", "127.0.0.1"), ("admin-port", &free.to_string())];
    let server = Running::start(&directives).unwrap();
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/", server.port())).unwrap();
    let mut connection = client.get_connection().unwrap();
    for i in 0..200 {
        let () = redis::cmd("SET").arg(i).arg("value").query(&mut connection).unwrap();
    }
    let here = format!("127.0.0.1:{free}");
    assert_eq!(get(free, "/health", &here), (200, "ok\n".to_owned()));
    let (status, stats) = get(free, "/stats", "localhost");
    assert_eq!(status, 200);
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats["keys"], 200);
    assert!(stats["memory"]["live_bytes"].as_u64().unwrap() > 1_000);
    let set = stats["busiest"].as_array().unwrap().iter().find(|row| row["name"] == "set");
    assert_eq!(set.unwrap()["calls"], 200);
    let (_, metrics) = get(free, "/metrics", &here);
    for line in ["stillpoint_keys 200", "stillpoint_calls_total{command=\"set\"} 200", "# EOF"] {
        assert!(metrics.lines().any(|l| l == line), "{line} is missing:\n{metrics}");
    }
    let (status, page) = get(free, "/", &here);
    assert!(status == 200 && page.contains("<title>Stillpoint</title>"));
    assert_eq!(get(free, "/stats", "somewhere.example").0, 403);
    assert_eq!(get(free, "/nothing", &here).0, 404);
    let post = format!(
        "POST /stats HTTP/1.1\r\nHost: {here}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(ask(free, &post).0, 405);
    server.stop().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", free)).is_err());
}

#[test]
fn those_who_only_connect_or_read_slowly_hold_up_nobody_and_go_after_a_while() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let directives = [("port", "0"), ("bind", "127.0.0.1"), ("admin-port", &free.to_string())];
    let server = Running::start(&directives).unwrap();
    // Those of the port, and what they start, which has their name; the other test beside this one has threads too.
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
        tasks.filter_map(|task| name(task).ok()).filter(|name| name == "admin\n").count()
    };
    assert_eq!(get(free, "/health", "localhost").0, 200);
    let before = threads();
    assert!(before > 0, "the port has a thread of its own");
    let connect = || TcpStream::connect(("127.0.0.1", free)).unwrap();
    let mut silent: Vec<TcpStream> = (0..100).map(|_| connect()).collect();
    let mut halves: Vec<TcpStream> = (0..100).map(|_| connect()).collect();
    for half in &mut halves {
        // Many are closed by then to make room.
        let _sent = half.write_all(b"GET /stats HTTP/1.1\r\nHost:");
    }
    for _ in 0..20 {
        assert_eq!(get(free, "/health", "localhost"), (200, "ok\n".to_owned()));
    }
    assert!(threads() <= before + 2, "{} threads, {before} before", threads());
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(9_000));
    assert_eq!(ask(free, &long).0, 431);
    assert_eq!(ask(free, "nonsense\r\n\r\n").0, 400);
    // The last ones are there still, until their time is over.
    let begun = std::time::Instant::now();
    for socket in silent.iter_mut().chain(&mut halves) {
        socket.set_read_timeout(Some(std::time::Duration::from_secs(15))).unwrap();
        // It ends, one way or the other.
        assert!(!matches!(socket.read(&mut [0; 16]), Ok(1..)));
    }
    assert!(begun.elapsed().as_secs() < 15);
    assert_eq!(get(free, "/health", "localhost").0, 200);
    server.stop().unwrap();
}

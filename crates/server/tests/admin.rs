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
    // The library's own threads end a moment later.
    let begun = std::time::Instant::now();
    while TcpStream::connect(("127.0.0.1", free)).is_ok() {
        assert!(begun.elapsed().as_secs() < 10, "the port is still open");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

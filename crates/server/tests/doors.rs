//! Where clients connect, changed while the server runs: CONFIG SET of port and bind.

mod security;

use security::{ask, connect, free_port};
use std::net::{TcpListener, TcpStream};
use stillpoint_server::Running;

const PING: &[&[u8]] = &[b"PING"];
const PONG: &[u8] = b"+PONG\r\n";
const REFUSED: &[u8] = b"-ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.\r\n";

fn serve(port: u16) -> Running {
    let port = port.to_string();
    Running::start(&[("port", &port), ("bind", "127.0.0.1"), ("io-threads", "2")]).unwrap()
}

fn set(client: &mut TcpStream, pairs: &[&str]) -> String {
    let words: Vec<&[u8]> =
        ["CONFIG", "SET"].iter().chain(pairs).map(|word| word.as_bytes()).collect();
    String::from_utf8(ask(client, &words)).unwrap()
}

fn is_refused(address: (&str, u16)) -> bool {
    TcpStream::connect(address).is_err()
}

#[test]
fn a_new_port_is_opened_before_the_old_one_is_closed_and_connections_stay() {
    let (old, new) = (free_port(), free_port());
    let server = serve(old);
    let mut clients: Vec<TcpStream> = (0..8).map(|_| connect(old)).collect();
    clients.iter_mut().for_each(|client| assert_eq!(ask(client, PING), PONG));
    assert_eq!(set(&mut clients[3], &["port", &new.to_string()]), "+OK\r\n");
    assert!(is_refused(("127.0.0.1", old)));
    clients.push(connect(new));
    clients.iter_mut().for_each(|client| assert_eq!(ask(client, PING), PONG));
    assert!(set(&mut clients[8], &["port", &old.to_string()]).starts_with("+OK"));
    assert!(is_refused(("127.0.0.1", new)));
    assert_eq!(ask(&mut connect(old), PING), PONG);
    server.stop().unwrap();
}

#[test]
fn a_port_that_is_taken_changes_nothing() {
    let old = free_port();
    let server = serve(old);
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut client = connect(old);
    let pairs = ["maxmemory", "100mb", "port", &port, "timeout", "5"];
    assert_eq!(set(&mut client, &pairs).as_bytes(), REFUSED);
    for (name, value) in [("maxmemory", "0"), ("timeout", "0"), ("port", &old.to_string())] {
        let shown = ask(&mut client, &[b"CONFIG", b"GET", name.as_bytes()]);
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.ends_with(&format!("\r\n{value}\r\n")), "{shown}");
    }
    assert_eq!(ask(&mut connect(old), PING), PONG);
    // Nor does a directory that is not there, beside a port that could be had.
    let new = free_port();
    let missing = ["port", &new.to_string(), "dir", "/nowhere/at/all"];
    let server_of_protected = Running::start(&[
        ("port", &free_port().to_string()),
        ("bind", "127.0.0.1"),
        ("enable-protected-configs", "yes"),
    ])
    .unwrap();
    let mut client = connect(server_of_protected.port());
    assert!(set(&mut client, &missing).contains("'dir'"));
    assert!(is_refused(("127.0.0.1", new)));
    assert_eq!(ask(&mut connect(server_of_protected.port()), PING), PONG);
    server.stop().unwrap();
}

#[test]
fn addresses_come_and_go_on_one_port() {
    let port = free_port();
    let server = serve(port);
    let mut client = connect(port);
    assert!(is_refused(("127.0.0.2", port)));
    // Another one beside it, all of them, one of them again: the last two are in each other's way.
    for (bind, second) in [("127.0.0.1 127.0.0.2", true), ("*", true), ("127.0.0.1", false)] {
        assert_eq!(set(&mut client, &["bind", bind]), "+OK\r\n", "{bind}");
        assert_eq!(is_refused(("127.0.0.2", port)), !second, "{bind}");
        assert_eq!(ask(&mut connect(port), PING), PONG, "{bind}");
    }
    // An address of somebody else, and one that is taken while ours would have to make way.
    let _taken = TcpListener::bind(("127.0.0.3", port)).unwrap();
    for bind in ["192.0.2.1", "127.0.0.1 127.0.0.3", "*", ""] {
        let reply = set(&mut client, &["bind", bind]);
        assert!(reply.ends_with("'bind') - Failed to bind to specified addresses.\r\n"), "{reply}");
        assert_eq!(ask(&mut connect(port), PING), PONG, "after {bind}");
    }
    assert_eq!(ask(&mut client, PING), PONG);
    server.stop().unwrap();
}

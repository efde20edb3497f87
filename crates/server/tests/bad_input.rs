//! What is no request, or a wrong one: each gets Redis's own words, and the server goes on.

use stillpoint_server::TestClient;

/// Sends bytes to a fresh server; returns the replies, and whether the connection is then closed.
fn send(bytes: &[u8]) -> (String, bool) {
    let mut client = TestClient::new();
    let reply = client.send(bytes);
    (String::from_utf8_lossy(&reply).into_owned(), client.is_closed())
}

#[test]
fn malformed_requests_are_refused_and_end_the_connection() {
    let long = |n: usize| "x".repeat(n);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"*3000000000\r\n".into(), "invalid multibulk length"),
        (b"*abc\r\n".into(), "invalid multibulk length"),
        (b"*+1\r\n".into(), "invalid multibulk length"),
        (b"*1\r\n:5\r\n".into(), "expected '$', got ':'"),
        (b"*1\r\nfoo\r\n".into(), "expected '$', got 'f'"),
        (b"*1\r\n$-1\r\n".into(), "invalid bulk length"),
        (b"*1\r\n$-10\r\n".into(), "invalid bulk length"),
        (b"*1\r\n$abc\r\n".into(), "invalid bulk length"),
        (b"*1\r\n$1073741824\r\n".into(), "invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n".into(), "invalid bulk length"),
        (format!("*{}", long(70_000)).into(), "too big mbulk count string"),
        (format!("*1\r\n${}", long(70_000)).into(), "too big bulk count string"),
        (long(70_000).into(), "too big inline request"),
        (b"set \"a b\r\n".into(), "unbalanced quotes in request"),
        (b"set 'a'b c\r\n".into(), "unbalanced quotes in request"),
        (b"*1\r\n".repeat(100_000), "expected '$', got '*'"),
    ];
    for (bytes, text) in cases {
        let (reply, closed) = send(&bytes);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert_eq!(reply, format!("-ERR Protocol error: {text}\r\n"), "to {shown:?}");
        assert!(closed, "{shown:?} must end the connection");
    }
}

#[test]
fn nothing_is_answered_to_nothing() {
    for bytes in [&b"\r\n"[..], b"\n", b"   \r\n", b"*0\r\n", b"*-5\r\n"] {
        assert_eq!(send(bytes), (String::new(), false), "{bytes:?}");
    }
}

#[test]
fn a_stranger_may_send_little() {
    let mut client = TestClient::new();
    assert_eq!(client.run(&["CONFIG", "SET", "requirepass", "x"]), "+OK\r\n");
    let stranger = |bytes: &[u8]| {
        let mut other = client.another();
        String::from_utf8_lossy(&other.send(bytes)).into_owned()
    };
    assert_eq!(stranger(b"*11\r\n"), "-ERR Protocol error: unauthenticated multibulk length\r\n");
    assert_eq!(
        stranger(b"*1\r\n$20000\r\n"),
        "-ERR Protocol error: unauthenticated bulk length\r\n"
    );
    assert_eq!(stranger(b"GET a\r\n"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(stranger(b"HELLO 3 AUTH default x\r\nPING\r\n").lines().last(), Some("+PONG"));
}

#[test]
fn who_has_become_a_stranger_again_may_send_little_in_the_same_packet() {
    let mut client = TestClient::new();
    assert_eq!(client.run(&["CONFIG", "SET", "requirepass", "x"]), "+OK\r\n");
    let mut other = client.another();
    let many = [&b"*11\r\n$6\r\nEXISTS\r\n"[..], &b"$1\r\na\r\n".repeat(10)].concat();
    let auth = [b"*3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$1\r\nx\r\n", &many[..]].concat();
    assert_eq!(other.send(&auth), b"+OK\r\n:0\r\n");
    // What was found ahead while it was no stranger must not be answered now.
    let reset = [b"*1\r\n$4\r\nPING\r\n*1\r\n$5\r\nRESET\r\n", &many[..]].concat();
    let told = b"+PONG\r\n+RESET\r\n-ERR Protocol error: unauthenticated multibulk length\r\n";
    assert_eq!(other.send(&reset), told);
    assert!(other.is_closed());
}

#[test]
fn requests_are_answered_in_order_wherever_their_bytes_are_cut() {
    let mut bytes = Vec::new();
    let mut replies = Vec::new();
    for n in 10..30 {
        bytes.extend_from_slice(format!("*2\r\n$4\r\nECHO\r\n$2\r\n{n}\r\n").as_bytes());
        replies.extend_from_slice(format!("$2\r\n{n}\r\n").as_bytes());
        match n {
            15 => bytes.extend_from_slice(b"\r\n*0\r\n"),
            22 => {
                bytes.extend_from_slice(b"ECHO 'in line'\r\n");
                replies.extend_from_slice(b"$7\r\nin line\r\n");
            }
            25 => {
                bytes.extend_from_slice(b"*1\r\n$3\r\nGET\r\n");
                replies.extend_from_slice(b"-ERR wrong number of arguments for 'get' command\r\n");
            }
            _ => {}
        }
    }
    bytes.extend_from_slice(b"*1\r\n:5\r\n");
    replies.extend_from_slice(b"-ERR Protocol error: expected '$', got ':'\r\n");
    let first = TestClient::new();
    for cut in 0..bytes.len() {
        let mut client = first.another();
        let mut told = client.send(&bytes[..cut]);
        told.extend(client.send(&bytes[cut..]));
        let told = String::from_utf8_lossy(&told);
        assert_eq!(told, String::from_utf8_lossy(&replies), "cut at {cut}");
        assert!(client.is_closed());
    }
}

#[test]
fn a_declared_gigabyte_reserves_nothing() {
    let before = resident_kib();
    let mut clients: Vec<TestClient> = Vec::new();
    for _ in 0..64 {
        let mut client = TestClient::new();
        assert_eq!(client.send(b"*1048576\r\n$536870912\r\nabc"), b"");
        assert!(!client.is_closed());
        clients.push(client);
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB for 64 empty promises");
}

fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 4
}

#[test]
fn wrong_commands_are_told_what_is_wrong_and_change_nothing() {
    let mut c = TestClient::new();
    let cases: &[(&[&str], &str)] = &[
        (&["FOO"], "ERR unknown command 'FOO', with args beginning with: "),
        (&["foo", "a", "b"], "ERR unknown command 'foo', with args beginning with: 'a' 'b' "),
        (&["GET"], "ERR wrong number of arguments for 'get' command"),
        (&["GET", "a", "b"], "ERR wrong number of arguments for 'get' command"),
        (&["PING", "a", "b"], "ERR wrong number of arguments for 'ping' command"),
        (&["SET", "k", "v", "EX"], "ERR syntax error"),
        (&["SET", "k", "v", "NX", "XX"], "ERR syntax error"),
        (&["SET", "k", "v", "EX", "0"], "ERR invalid expire time in 'set' command"),
        (&["SET", "k", "v", "EX", "x"], "ERR value is not an integer or out of range"),
        (&["SELECT", "16"], "ERR DB index is out of range"),
        (&["SELECT", "x"], "ERR value is not an integer or out of range"),
        (&["CLIENT"], "ERR wrong number of arguments for 'client' command"),
        (&["CLIENT", "NO"], "ERR unknown subcommand 'NO'. Try CLIENT HELP."),
        (&["CLIENT", "ID", "x"], "ERR wrong number of arguments for 'client|id' command"),
        (&["CLIENT", "KILL", "ID", "0"], "ERR client-id should be greater than 0"),
        (&["CLIENT", "REPLY", "maybe"], "ERR syntax error"),
        (&["CLIENT", "PAUSE", "-1"], "ERR timeout is negative"),
        (
            &["CLIENT", "SETNAME", "a b"],
            "ERR Client names cannot contain spaces, newlines or special characters.",
        ),
        (&["CONFIG", "SET", "a"], "ERR wrong number of arguments for 'config|set' command"),
        (
            &["CONFIG", "SET", "nothing", "1"],
            "ERR Unknown option or number of arguments for CONFIG SET - 'nothing'",
        ),
        (
            &["CONFIG", "SET", "timeout", "1", "mvcc.max_versions", "0"],
            "ERR CONFIG SET failed (possibly related to argument 'mvcc.max_versions') - argument must be between 1 and \
             4294967295 inclusive",
        ),
        (
            &["CONFIG", "SET", "mvcc.enabled", "maybe"],
            "ERR CONFIG SET failed (possibly related to argument 'mvcc.enabled') - argument must be 'yes' or 'no'",
        ),
        (
            &["CONFIG", "SET", "databases", "1"],
            "ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config",
        ),
        (&["CONFIG", "REWRITE"], "ERR The server is running without a config file"),
        (&["HELLO", "4"], "NOPROTO unsupported protocol version"),
        (&["HELLO", "x"], "ERR Protocol version is not an integer or out of range"),
        (&["HELLO", "2", "foo"], "ERR Syntax error in HELLO option 'foo'"),
        (&["EXEC"], "ERR EXEC without MULTI"),
        (&["COMMAND", "GETKEYS", "ping"], "ERR The command has no key arguments"),
        (&["SLOWLOG", "GET", "-2"], "ERR count should be greater than or equal to -1"),
        (&["FLUSHALL", "now"], "ERR syntax error"),
    ];
    for (words, text) in cases {
        assert_eq!(c.run(words), format!("-{}\r\n", text), "{words:?}");
    }
    assert_eq!(c.run(&["CONFIG", "GET", "timeout"]), "*2\r\n$7\r\ntimeout\r\n$1\r\n0\r\n");
    assert_eq!(c.run(&["DBSIZE"]), ":0\r\n");
    assert!(c.run(&["DEBUG", "SLEEP", "1"]).starts_with("-ERR DEBUG command not allowed."));
}

#[test]
fn replies_can_be_switched_off() {
    let mut c = TestClient::new();
    assert_eq!(c.send(b"CLIENT REPLY SKIP\r\nPING\r\nECHO a\r\n"), b"$1\r\na\r\n");
    assert_eq!(
        c.send(b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nECHO b\r\n"),
        b"+OK\r\n$1\r\nb\r\n"
    );
}

#[test]
fn a_browser_that_was_made_to_send_commands_is_cut_off() {
    for attack in [
        &b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET a b\r\n"[..],
        b"GET x\r\nhost: localhost\r\nSET a b\r\n",
        b"*1\r\n$4\r\npost\r\nSET a b\r\n",
    ] {
        let mut client = TestClient::new();
        let reply = client.send(attack);
        assert!(reply.is_empty() || reply == b"$-1\r\n", "{}", reply.escape_ascii());
        assert!(client.is_closed());
        assert_eq!(client.another().run(&["EXISTS", "a"]), ":0\r\n");
    }
}

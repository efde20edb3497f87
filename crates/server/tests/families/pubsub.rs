//! Publish/subscribe and keyspace events.

use super::check;
use stillpoint_server::TestClient;

/// A message in its RESP2 form.
fn message(parts: &[&str]) -> String {
    let body: String = parts.iter().map(|p| format!("${}\r\n{p}\r\n", p.len())).collect();
    format!("*{}\r\n{body}", parts.len())
}

#[test]
fn messages_reach_those_who_listen_and_nobody_else() {
    let mut publisher = TestClient::new();
    let (mut one, mut two) = (publisher.another(), publisher.another());
    check(
        &mut one,
        &[
            (
                "SUBSCRIBE news sport",
                "*3\n$9\nsubscribe\n$4\nnews\n:1\n*3\n$9\nsubscribe\n$5\nsport\n:2",
            ),
            ("PSUBSCRIBE n*", "*3\n$10\npsubscribe\n$2\nn*\n:3"),
            (
                "GET a",
                "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
            ),
            ("PING", "*2\n$4\npong\n$0\n"),
            ("PING hi", "*2\n$4\npong\n$2\nhi"),
        ],
    );
    check(&mut two, &[("SSUBSCRIBE news", "*3\n$10\nssubscribe\n$4\nnews\n:1")]);
    check(
        &mut publisher,
        &[
            ("PUBLISH news hello", ":2"),
            ("PUBLISH weather rain", ":0"),
            ("SPUBLISH news shard", ":1"),
            ("PUBSUB NUMSUB news sport x", "*6\n$4\nnews\n:1\n$5\nsport\n:1\n$1\nx\n:0"),
            ("PUBSUB NUMPAT", ":1"),
            ("PUBSUB CHANNELS s*", "*1\n$5\nsport"),
            ("PUBSUB SHARDCHANNELS", "*1\n$4\nnews"),
            ("PUBSUB SHARDNUMSUB news", "*2\n$4\nnews\n:1"),
        ],
    );
    let expected =
        message(&["message", "news", "hello"]) + &message(&["pmessage", "n*", "news", "hello"]);
    assert_eq!(one.received(), expected);
    assert_eq!(two.received(), message(&["smessage", "news", "shard"]));
    check(
        &mut one,
        &[
            ("UNSUBSCRIBE news", "*3\n$11\nunsubscribe\n$4\nnews\n:2"),
            ("UNSUBSCRIBE", "*3\n$11\nunsubscribe\n$5\nsport\n:1"),
            ("UNSUBSCRIBE", "*3\n$11\nunsubscribe\n$-1\n:1"),
            ("PUNSUBSCRIBE", "*3\n$12\npunsubscribe\n$2\nn*\n:0"),
            ("GET a", "$-1"),
        ],
    );
    drop(two);
    check(&mut publisher, &[("PUBLISH news a", ":0"), ("SPUBLISH news a", ":0")]);
}

#[test]
fn a_resp3_client_gets_pushes_after_the_reply_and_may_do_everything() {
    let mut client = TestClient::new();
    client.run(&["HELLO", "3"]);
    check(
        &mut client,
        &[
            ("SUBSCRIBE c", ">3\n$9\nsubscribe\n$1\nc\n:1"),
            ("PUBLISH c x", ":1\n>3\n$7\nmessage\n$1\nc\n$1\nx"),
            ("SET a 1", "+OK"),
            ("PING", "+PONG"),
        ],
    );
}

#[test]
fn a_message_of_a_transaction_is_sent_at_its_commit() {
    let mut publisher = TestClient::new();
    let mut listener = publisher.another();
    listener.run(&["SUBSCRIBE", "c"]);
    check(
        &mut publisher,
        &[("MULTI", "+OK"), ("PUBLISH c one", "+QUEUED"), ("PUBLISH c two", "+QUEUED")],
    );
    assert_eq!(listener.received(), "");
    check(&mut publisher, &[("EXEC", "*2\n:1\n:1")]);
    assert_eq!(
        listener.received(),
        message(&["message", "c", "one"]) + &message(&["message", "c", "two"])
    );
}

#[test]
fn client_reply_off_silences_no_messages() {
    let mut client = TestClient::new();
    client.run(&["HELLO", "3"]);
    assert_eq!(client.run(&["CLIENT", "REPLY", "OFF"]), "");
    assert_eq!(client.run(&["SUBSCRIBE", "c"]), ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
    assert_eq!(client.run(&["PUBLISH", "c", "x"]), ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n");
}

/// A client, and another one that hears of all events.
fn listened_to(classes: &str) -> (TestClient, TestClient) {
    let mut client = TestClient::new();
    client.run(&["CONFIG", "SET", "notify-keyspace-events", classes]);
    let mut listener = client.another();
    listener.run(&["PSUBSCRIBE", "__key*"]);
    (client, listener)
}

/// The events heard of since the last time, each as `event key`.
fn events(listener: &mut TestClient) -> Vec<String> {
    let heard = listener.received();
    let lines: Vec<&str> = heard.split("\r\n").collect();
    let of = |chunk: &[&str]| {
        let event = chunk[6].strip_prefix("__keyevent@0__:").unwrap_or(chunk[6]);
        format!("{event} {}", chunk[8])
    };
    lines.chunks_exact(9).map(of).collect()
}

#[test]
fn every_write_tells_of_its_event() {
    let (mut client, mut listener) = listened_to("EA");
    let steps: &[(&str, &[&str])] = &[
        ("SET a 1", &["set a"]),
        ("SET a 1 EX 100", &["set a", "expire a"]),
        ("SET a 1 NX", &[]),
        ("SETNX b 1", &["set b"]),
        ("SETEX b 100 1", &["set b", "expire b"]),
        ("GETSET a 2", &["set a"]),
        ("GETEX b PERSIST", &["persist b"]),
        ("GETEX b EX 5", &["expire b"]),
        ("MSET c 1 d 2", &["set c", "set d"]),
        ("APPEND a x", &["append a"]),
        ("SETRANGE a 1 y", &["setrange a"]),
        ("INCR c", &["incrby c"]),
        ("INCRBYFLOAT c 1", &["incrbyfloat c"]),
        ("GETDEL c", &["del c"]),
        ("DEL a nothing d", &["del a", "del d"]),
        ("RENAME b e", &["rename_from b", "rename_to e"]),
        ("COPY e f", &["copy_to f"]),
        ("EXPIRE f 100", &["expire f"]),
        ("EXPIRE f -1", &["del f"]),
        ("HSET h f 1 g 2", &["hset h"]),
        ("HSETNX h f 1", &[]),
        ("HINCRBY h f 1", &["hincrby h"]),
        ("HINCRBYFLOAT h f 1", &["hincrbyfloat h"]),
        ("HDEL h f g", &["hdel h", "del h"]),
        ("RPUSH l a b c d", &["rpush l"]),
        ("LPUSHX nothing a", &[]),
        ("LPOP l", &["lpop l"]),
        ("LSET l 0 x", &["lset l"]),
        ("LINSERT l BEFORE x y", &["linsert l"]),
        ("LREM l 1 nothing", &[]),
        ("LREM l 1 y", &["lrem l"]),
        ("LTRIM l 0 1", &["ltrim l"]),
        ("LMOVE l m LEFT RIGHT", &["rpush m", "lpop l"]),
        ("RPOPLPUSH l m", &["lpush m", "rpop l", "del l"]),
        ("LMPOP 2 l m RIGHT COUNT 9", &["rpop m", "del m"]),
        ("SETBIT bits 1 1", &["setbit bits"]),
        ("SETBIT bits 1 1", &[]),
        ("BITOP NOT n bits", &["set n"]),
        ("BITOP NOT n nothing", &["del n"]),
        ("BITFIELD bits SET u8 0 7", &["setbit bits"]),
        ("PFADD p a", &["pfadd p"]),
        ("PFADD p a", &[]),
        ("PFMERGE q p", &["pfadd q"]),
        ("GET nothing", &[]),
    ];
    for (line, expected) in steps {
        client.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(events(&mut listener), *expected, "{line}");
    }
}

#[test]
fn new_missed_and_expired_keys_are_told_of() {
    let (mut client, mut listener) = listened_to("E$xnm");
    client.run(&["SET", "a", "1", "PX", "10"]);
    assert_eq!(events(&mut listener), ["new a", "set a"]);
    client.run(&["INCR", "a"]);
    assert_eq!(events(&mut listener), ["incrby a"]);
    client.advance_ms(20);
    client.run(&["GET", "a"]);
    assert_eq!(events(&mut listener), ["expired a", "keymiss a"]);
    client.run(&["SET", "a", "1", "PX", "10"]);
    client.advance_ms(20);
    client.run(&["INCR", "a"]);
    assert_eq!(events(&mut listener), ["new a", "set a", "expired a", "new a", "incrby a"]);
}

#[test]
fn events_of_a_transaction_come_at_its_commit() {
    let (mut client, mut listener) = listened_to("E$gn");
    check(&mut client, &[("MULTI", "+OK"), ("SET a 1", "+QUEUED"), ("DEL a", "+QUEUED")]);
    assert!(events(&mut listener).is_empty());
    client.run(&["EXEC"]);
    assert_eq!(events(&mut listener), ["new a", "set a", "del a"]);
}

#[test]
fn both_forms_of_an_event_are_published() {
    let (mut client, mut listener) = listened_to("KE$");
    client.run(&["SELECT", "3"]);
    client.run(&["SET", "a", "1"]);
    let expected = message(&["pmessage", "__key*", "__keyspace@3__:a", "set"])
        + &message(&["pmessage", "__key*", "__keyevent@3__:set", "a"]);
    assert_eq!(listener.received(), expected);
}

#[test]
fn a_monitor_sees_commands_and_no_secrets() {
    let mut client = TestClient::new();
    let mut monitor = client.another();
    assert_eq!(monitor.run(&["MONITOR"]), "+OK\r\n");
    client.run(&["SET", "a b", "\"\n\x01"]);
    client.run(&["AUTH", "secret"]);
    client.run(&["CONFIG", "GET", "port"]);
    for words in [&["MULTI"][..], &["GET", "a"], &["EXEC"]] {
        client.run(words);
    }
    let seen = monitor.received();
    let seen: Vec<&str> = seen.lines().map(|line| line.split_once("] ").unwrap().1).collect();
    let expected = [
        r#""SET" "a b" "\"\n\x01""#,
        r#""AUTH" "(redacted)""#,
        r#""MULTI""#,
        r#""GET" "a""#,
        r#""EXEC""#,
    ];
    assert_eq!(seen, expected);
    assert!(monitor.run(&["RESET"]).ends_with("+RESET\r\n"));
    client.run(&["GET", "a"]);
    assert_eq!(monitor.received(), "");
}

/// A RESP3 client that tracks as the words say, and another one.
fn tracking(words: &[&str]) -> (TestClient, TestClient) {
    let mut client = TestClient::new();
    let other = client.another();
    client.run(&["HELLO", "3"]);
    let line: Vec<&str> = ["CLIENT", "TRACKING", "ON"].iter().chain(words).copied().collect();
    assert_eq!(client.run(&line), "+OK\r\n");
    (client, other)
}

/// Keys that a RESP3 client has been told are not valid any more, one push after the other.
fn invalidated(client: &mut TestClient) -> Vec<String> {
    let text = client.received();
    let pushes = text.split(">2\r\n$10\r\ninvalidate\r\n").skip(1);
    let keys = |push: &str| {
        push.lines().filter(|line| !line.starts_with(['*', '$'])).collect::<Vec<_>>().join(" ")
    };
    pushes.map(keys).collect()
}

#[test]
fn who_has_read_a_key_is_told_once_that_it_has_changed() {
    let (mut client, mut other) = tracking(&[]);
    client.run(&["GET", "a"]);
    client.run(&["MGET", "b", "c"]);
    other.run(&["SET", "a", "1"]);
    assert_eq!(invalidated(&mut client), ["a"]);
    other.run(&["SET", "a", "2"]);
    assert!(invalidated(&mut client).is_empty());
    for words in [&["MULTI"][..], &["SET", "b", "1"], &["INCR", "c"], &["EXEC"]] {
        other.run(words);
    }
    assert_eq!(invalidated(&mut client), ["b", "c"]);
    // Its own writes too, behind the reply.
    client.run(&["GET", "a"]);
    assert_eq!(
        client.run(&["SET", "a", "3"]),
        "+OK\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n"
    );
    client.run(&["GET", "a"]);
    other.run(&["FLUSHALL"]);
    assert_eq!(invalidated(&mut client), ["_"]);
    client.run(&["CLIENT", "TRACKING", "OFF"]);
    client.run(&["GET", "a"]);
    other.run(&["SET", "a", "2"]);
    assert!(invalidated(&mut client).is_empty());
}

#[test]
fn an_expired_key_is_told_of() {
    let (mut client, mut other) = tracking(&[]);
    other.run(&["SET", "a", "1", "PX", "10"]);
    client.run(&["GET", "a"]);
    other.advance_ms(20);
    other.run(&["GET", "a"]);
    assert_eq!(invalidated(&mut client), ["a"]);
}

#[test]
fn broadcasts_go_by_prefix_and_not_to_the_writer_who_does_not_want_them() {
    let (mut client, mut other) =
        tracking(&["BCAST", "PREFIX", "user:", "PREFIX", "cart:", "NOLOOP"]);
    other.run(&["MSET", "user:1", "a", "cart:1", "b", "other", "c", "user:2", "d"]);
    assert_eq!(invalidated(&mut client), ["cart:1", "user:1 user:2"]);
    assert_eq!(client.run(&["SET", "user:1", "x"]), "+OK\r\n");
    check(
        &mut client,
        &[
            (
                "CLIENT TRACKING ON BCAST PREFIX user",
                "-ERR Prefix 'user' overlaps with an existing prefix 'user:'. Prefixes for a single client must not overlap.",
            ),
            (
                "CLIENT TRACKING ON",
                "-ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
            ),
            (
                "CLIENT TRACKINGINFO",
                "%3\n$5\nflags\n~3\n$2\non\n$5\nbcast\n$6\nnoloop\n$8\nredirect\n:0\n$8\nprefixes\n*2\n$5\ncart:\n$5\nuser:",
            ),
        ],
    );
}

#[test]
fn opting_in_is_for_one_command() {
    let (mut client, mut other) = tracking(&["OPTIN"]);
    client.run(&["GET", "a"]);
    client.run(&["CLIENT", "CACHING", "YES"]);
    client.run(&["GET", "b"]);
    client.run(&["GET", "c"]);
    other.run(&["MSET", "a", "1", "b", "1", "c", "1"]);
    assert_eq!(invalidated(&mut client), ["b"]);
}

#[test]
fn a_resp2_client_is_told_through_another_that_subscribes() {
    let mut client = TestClient::new();
    let mut ear = client.another();
    let id = ear.run(&["CLIENT", "ID"])[1..].trim_end().to_owned();
    ear.run(&["SUBSCRIBE", "__redis__:invalidate"]);
    client.run(&["CLIENT", "TRACKING", "ON", "REDIRECT", &id]);
    client.run(&["GET", "a"]);
    client.run(&["SET", "a", "1"]);
    let expected = "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\na\r\n";
    assert_eq!(ear.received(), expected);
    assert_eq!(client.run(&["CLIENT", "GETREDIR"]), format!(":{id}\r\n"));
}

#[test]
fn what_a_served_command_has_changed_is_told_behind_its_reply() {
    let (mut client, mut other) = tracking(&[]);
    other.run(&["RPUSH", "to", "a"]);
    client.run(&["LRANGE", "to", "0", "-1"]);
    assert_eq!(client.run(&["BLMOVE", "from", "to", "LEFT", "LEFT", "0"]), "");
    other.run(&["RPUSH", "from", "x"]);
    // The loop looks for mail before it looks for the reply.
    assert_eq!(client.received(), "");
    assert_eq!(String::from_utf8_lossy(&client.send(b"")), "$1\r\nx\r\n");
    assert_eq!(invalidated(&mut client), ["to"]);
}

#[test]
fn a_lower_limit_is_kept_before_the_next_command() {
    let (mut client, mut other) = tracking(&[]);
    client.run(&["MGET", "a", "b"]);
    client.run(&["MULTI"]);
    assert_eq!(other.run(&["CONFIG", "SET", "tracking-table-max-keys", "1"]), "+OK\r\n");
    let reply = client.run(&["PING"]);
    assert!(reply.starts_with(">2\r\n$10\r\ninvalidate\r\n*1\r\n"), "{reply}");
    assert!(reply.ends_with("+QUEUED\r\n"), "{reply}");
}

//! What takes long is not for an event loop: it is done elsewhere, with the same reply; what does not take long stays.

use stillpoint_server::TestClient;

/// Runs a command as on an event loop; its reply, or the beginning of it.
fn run(client: &mut TestClient, words: &[&str], moves: bool) -> String {
    let (moved, reply) = client.run_on_loop(words);
    let shown: Vec<String> = words.iter().take(4).map(|word| format!("{word:.40}")).collect();
    assert_eq!(moved, moves, "{shown:?} is answered {reply:.80}");
    reply
}

#[test]
fn a_request_of_many_bytes() {
    let mut c = TestClient::new();
    let (few, many) = ("x".repeat(1_000_000), "x".repeat(1_100_000));
    assert_eq!(run(&mut c, &["SET", "k", &few], false), "+OK\r\n");
    assert_eq!(run(&mut c, &["SET", "k", &many], true), "+OK\r\n");
    assert_eq!(run(&mut c, &["STRLEN", "k"], false), ":1100000\r\n");
    assert_eq!(run(&mut c, &["APPEND", "k", &many], true), ":2200000\r\n");
    // Queued it only is; then it is done.
    assert_eq!(run(&mut c, &["MULTI"], false), "+OK\r\n");
    assert_eq!(run(&mut c, &["SET", "a", &few], false), "+QUEUED\r\n");
    assert_eq!(run(&mut c, &["SET", "b", &few], false), "+QUEUED\r\n");
    assert_eq!(run(&mut c, &["EXEC"], true), "*2\r\n+OK\r\n+OK\r\n");
    assert_eq!(run(&mut c, &["MULTI"], false), "+OK\r\n");
    assert_eq!(run(&mut c, &["SET", "a", "1"], false), "+QUEUED\r\n");
    assert_eq!(run(&mut c, &["EXEC"], false), "*1\r\n+OK\r\n");
}

#[test]
fn many_strings_at_once() {
    let mut c = TestClient::new();
    let text = "x".repeat(100_000);
    let keys: Vec<String> = (0..20).map(|number| format!("k{number}")).collect();
    for key in &keys {
        c.run(&["SET", key, &text]);
    }
    let mget: Vec<&str> = std::iter::once("MGET").chain(keys.iter().map(String::as_str)).collect();
    let reply = run(&mut c, &mget, true);
    assert!(reply == c.run(&mget));
    assert!(reply.starts_with("*20\r\n$100000\r\nx") && reply.len() > 2_000_000);
    assert!(run(&mut c, &mget[..6], false).starts_with("*5\r\n$100000\r\nx"));
}

#[test]
fn many_counters_of_different_elements() {
    let mut c = TestClient::new();
    let keys: Vec<String> = (0..20).map(|number| format!("h{number}")).collect();
    let words = |head: &[&'static str], keys: &[String]| -> Vec<String> {
        head.iter().map(|word| (*word).to_owned()).chain(keys.iter().cloned()).collect()
    };
    for key in &keys {
        c.run(&["PFADD", key, "a", key]);
        c.run(&["PFDEBUG", "TODENSE", key]);
    }
    let few = words(&["PFCOUNT"], &keys[..3]);
    let few: Vec<&str> = few.iter().map(String::as_str).collect();
    assert_eq!(run(&mut c, &few, false), ":4\r\n");
    let all = words(&["PFCOUNT"], &keys);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(run(&mut c, &all, true), ":21\r\n");
    let merge = words(&["PFMERGE", "all"], &keys);
    let merge: Vec<&str> = merge.iter().map(String::as_str).collect();
    assert_eq!(run(&mut c, &merge, true), "+OK\r\n");
    assert_eq!(run(&mut c, &["PFCOUNT", "all"], false), ":21\r\n");
}

#[test]
fn a_list_of_many_clients_or_channels() {
    let mut c = TestClient::new();
    assert!(run(&mut c, &["CLIENT", "LIST"], false).contains("id="));
    let mut others: Vec<TestClient> = (0..200).map(|_| c.another()).collect();
    let list = run(&mut c, &["CLIENT", "LIST"], true);
    assert_eq!(list.matches("id=").count(), 201);
    assert_eq!(run(&mut c, &["PUBSUB", "CHANNELS"], false), "*0\r\n");
    for number in 0..3000 {
        others[number % 200].run(&["SUBSCRIBE", &format!("c{number}")]);
    }
    assert!(run(&mut c, &["PUBSUB", "CHANNELS"], true).starts_with("*3000\r\n"));
}

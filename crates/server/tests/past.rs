//! HISTORY and AT: what keys were.

use redis::{Connection, FromRedisValue, RedisResult, Value};
use std::time::Duration;
use stillpoint_server::Running;

fn start(more: &[(&str, &str)]) -> (Running, Connection) {
    let mut directives = vec![("port", "0"), ("bind", "127.0.0.1"), ("save", "")];
    directives.extend_from_slice(more);
    let server = Running::start(&directives).unwrap();
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/", server.port())).unwrap();
    let connection = client.get_connection().unwrap();
    (server, connection)
}

fn run<T: FromRedisValue>(c: &mut Connection, words: &[&str]) -> RedisResult<T> {
    let mut command = redis::cmd(words[0]);
    words[1..].iter().for_each(|word| {
        command.arg(*word);
    });
    command.query(c)
}

/// Timestamp, time, type, value.
type Version = (u64, Option<u64>, String, Option<String>);

fn history(c: &mut Connection, words: &[&str]) -> Vec<Version> {
    run(c, &[&["HISTORY"], words].concat()).unwrap()
}

/// Sets a key, with a moment before it that is not the one before: writes that nobody could tell apart share a timestamp.
fn set(c: &mut Connection, key: &str, value: &str) {
    let _moment: u64 = run(c, &["SNAPSHOT", "BEGIN"]).unwrap();
    let () = run(c, &["SNAPSHOT", "END"]).unwrap();
    let () = run(c, &["SET", key, value]).unwrap();
}

fn code(result: RedisResult<Value>) -> String {
    result.unwrap_err().code().unwrap_or("ERR").to_owned()
}

#[test]
fn versions_come_from_new_to_old_and_each_can_be_read() {
    let (_server, mut c) = start(&[("mvcc.retention_prefixes", "price: cart:*")]);
    for price in ["10", "11", "12"] {
        set(&mut c, "price:tea", price);
    }
    let _moment: u64 = run(&mut c, &["SNAPSHOT", "BEGIN"]).unwrap();
    let () = run(&mut c, &["SNAPSHOT", "END"]).unwrap();
    let () = run(&mut c, &["DEL", "price:tea"]).unwrap();
    let versions = history(&mut c, &["price:tea"]);
    let values: Vec<_> = versions.iter().map(|version| version.3.as_deref()).collect();
    assert_eq!(values, [None, Some("12"), Some("11"), Some("10")]);
    assert_eq!(versions[0].2, "none");
    assert!(versions.windows(2).all(|two| two[0].0 > two[1].0));
    for (timestamp, _, name, value) in &versions {
        let at = timestamp.to_string();
        let then: Option<String> = run(&mut c, &["AT", &at, "GET", "price:tea"]).unwrap();
        assert_eq!(&then, value);
        let kind: String = run(&mut c, &["AT", &at, "TYPE", "price:tea"]).unwrap();
        assert_eq!(&kind, name);
    }
    let before = (versions[3].0 - 1).to_string();
    let then: Option<String> = run(&mut c, &["AT", &before, "GET", "price:tea"]).unwrap();
    assert_eq!(then, None);
    let (from, to) = (versions[2].0.to_string(), versions[1].0.to_string());
    let part = history(&mut c, &["price:tea", "FROM", &from, "TO", &to, "COUNT", "5"]);
    assert_eq!(part, versions[1..3]);
    assert_eq!(history(&mut c, &["price:tea", "COUNT", "1"]), versions[..1]);
    assert_eq!(history(&mut c, &["price:none"]), []);
}

#[test]
fn several_keys_of_any_type_are_read_as_of_one_moment() {
    let (_server, mut c) = start(&[("mvcc.retention_prefixes", "*")]);
    for round in 0..20 {
        let n = round.to_string();
        let () = redis::pipe()
            .atomic()
            .cmd("SADD")
            .arg("set")
            .arg(&n)
            .ignore()
            .cmd("RPUSH")
            .arg("list")
            .arg(&n)
            .ignore()
            .cmd("ZADD")
            .arg("sorted")
            .arg(&n)
            .arg(&n)
            .ignore()
            .cmd("HSET")
            .arg("hash")
            .arg(&n)
            .arg(&n)
            .ignore()
            .cmd("XADD")
            .arg("stream")
            .arg("*")
            .arg("n")
            .arg(&n)
            .ignore()
            .cmd("SET")
            .arg("round")
            .arg(&n)
            .ignore()
            .query(&mut c)
            .unwrap();
    }
    let rounds = history(&mut c, &["round"]);
    assert_eq!(rounds.len(), 20);
    for (timestamp, _, _, round) in rounds {
        let (at, want) = (timestamp.to_string(), round.unwrap().parse::<usize>().unwrap() + 1);
        for words in [
            ["SCARD", "set"],
            ["LLEN", "list"],
            ["ZCARD", "sorted"],
            ["HLEN", "hash"],
            ["XLEN", "stream"],
        ] {
            let count: usize = run(&mut c, &["AT", &at, words[0], words[1]]).unwrap();
            assert_eq!(count, want, "{words:?}");
        }
        let members: Vec<String> =
            run(&mut c, &["AT", &at, "SUNION", "set", "nothing", "set"]).unwrap();
        assert_eq!(members.len(), want);
    }
    // What was can be brought back.
    let oldest = history(&mut c, &["set"]).last().unwrap().0.to_string();
    let dump: Vec<u8> = run(&mut c, &["AT", &oldest, "DUMP", "set"]).unwrap();
    let () =
        redis::cmd("RESTORE").arg("set").arg(0).arg(dump).arg("REPLACE").query(&mut c).unwrap();
    assert_eq!(run::<usize>(&mut c, &["SCARD", "set"]).unwrap(), 1);
}

#[test]
fn a_time_of_the_clock_will_do_and_expiry_is_judged_by_it() {
    let (_server, mut c) = start(&[("mvcc.retention_prefixes", "*")]);
    let now = |c: &mut Connection| -> u64 {
        let (s, us): (u64, u64) = run(c, &["TIME"]).unwrap();
        s * 1000 + us / 1000
    };
    let pause = || std::thread::sleep(Duration::from_millis(400));
    pause();
    let () = run(&mut c, &["SET", "k", "one", "PX", "700"]).unwrap();
    pause();
    let first = now(&mut c).to_string();
    pause();
    let () = run(&mut c, &["SET", "k", "two"]).unwrap();
    pause();
    let second = now(&mut c).to_string();
    pause();
    let () = run(&mut c, &["DEL", "k"]).unwrap();
    let then: Option<String> = run(&mut c, &["AT", "TIME", &first, "GET", "k"]).unwrap();
    assert_eq!(then.as_deref(), Some("one"));
    let left: i64 = run(&mut c, &["AT", "TIME", &first, "PTTL", "k"]).unwrap();
    assert!((1..=320).contains(&left), "{left}");
    let then: Option<String> = run(&mut c, &["AT", "TIME", &second, "GET", "k"]).unwrap();
    assert_eq!(then.as_deref(), Some("two"));
    let later = (now(&mut c) + 100_000).to_string();
    assert_eq!(code(run(&mut c, &["AT", "TIME", &later, "GET", "k"])), "NOTYET");
    assert_eq!(code(run(&mut c, &["AT", "TIME", "1000", "GET", "k"])), "TOOOLD");
}

#[test]
fn what_cannot_be_known_is_said_and_nothing_is_written() {
    let (_server, mut c) =
        start(&[("mvcc.retention_prefixes", "k"), ("mvcc.retention_versions", "3")]);
    for n in 0..10 {
        set(&mut c, "k", &n.to_string());
    }
    let versions = history(&mut c, &["k"]);
    assert_eq!(versions.len(), 3);
    let old = (versions[2].0 - 1).to_string();
    assert_eq!(code(run(&mut c, &["AT", &old, "GET", "k"])), "TOOOLD");
    let now = versions[0].0.to_string();
    assert_eq!(code(run(&mut c, &["AT", "99999999999", "GET", "k"])), "NOTYET");
    assert_eq!(code(run(&mut c, &["AT", &now, "GET", "other"])), "NOHISTORY");
    assert_eq!(code(run(&mut c, &["HISTORY", "other"])), "NOHISTORY");
    for words in [
        &["SET", "k", "new"][..],
        &["KEYS", "*"],
        &["BLPOP", "k", "0"],
        &["EVAL_RO", "return 1", "1", "k"],
        &["AT", "1", "GET", "k"],
        &["XREAD", "BLOCK", "0", "STREAMS", "k", "0"],
        &["PING"],
        &["EXEC"],
    ] {
        let refused = run::<Value>(&mut c, &[&["AT", &now], words].concat()).unwrap_err();
        assert!(refused.to_string().contains("AT takes only commands that read keys"), "{refused}");
    }
    for words in [
        &["AT", &now, "NOTHING"][..],
        &["AT", &now, "GET"],
        &["AT", "x", "GET", "k"],
        &["AT", "-1", "GET", "k"],
        &["AT", "TIME", "1"],
    ] {
        assert_eq!(code(run(&mut c, words)), "ERR", "{words:?}");
    }
    assert_eq!(run::<String>(&mut c, &["GET", "k"]).unwrap(), "9");
    let () = run(&mut c, &["MULTI"]).unwrap();
    assert_eq!(code(run(&mut c, &["AT", &now, "GET", "k"])), "ERR");
    let () = run(&mut c, &["DISCARD"]).unwrap();
    let () = run(&mut c, &["BEGIN"]).unwrap();
    assert_eq!(code(run(&mut c, &["AT", &now, "GET", "k"])), "ERR");
    let () = run(&mut c, &["ROLLBACK"]).unwrap();
    // The cut of a SNAPSHOT is as it was after a look at another moment.
    let () = run(&mut c, &["SNAPSHOT", "BEGIN"]).unwrap();
    assert_eq!(
        run::<String>(&mut c, &["AT", &versions[1].0.to_string(), "GET", "k"]).unwrap(),
        "8"
    );
    assert_eq!(run::<String>(&mut c, &["GET", "k"]).unwrap(), "9");
}

#[test]
fn without_the_directive_nothing_is_kept() {
    let (_server, mut c) = start(&[]);
    let () = run(&mut c, &["SET", "k", "v"]).unwrap();
    assert_eq!(code(run(&mut c, &["HISTORY", "k"])), "NOHISTORY");
    assert_eq!(code(run(&mut c, &["AT", "1", "GET", "k"])), "NOHISTORY");
}

#[test]
fn nobody_reads_of_the_past_what_he_may_not_read_now() {
    let (server, mut c) = start(&[("mvcc.retention_prefixes", "*")]);
    for value in ["1", "2"] {
        set(&mut c, "mine:a", value);
        set(&mut c, "other:a", value);
    }
    let at = history(&mut c, &["other:a"])[1].0.to_string();
    let () = run(&mut c, &["ACL", "SETUSER", "reader", "on", ">p", "~mine:*", "+@all", "-strlen"])
        .unwrap();
    let () = run(&mut c, &["ACL", "SETUSER", "writer", "on", ">p", "%W~*", "+@all"]).unwrap();
    let url = |name: &str| format!("redis://{name}:p@127.0.0.1:{}/", server.port());
    let connect = |name: &str| redis::Client::open(url(name)).unwrap().get_connection().unwrap();
    let (mut reader, mut writer) = (connect("reader"), connect("writer"));
    assert_eq!(history(&mut reader, &["mine:a"]).len(), 2);
    assert_eq!(run::<String>(&mut reader, &["AT", &at, "GET", "mine:a"]).unwrap(), "1");
    for words in [
        &["HISTORY", "other:a"][..],
        &["AT", &at, "GET", "other:a"],
        &["AT", &at, "MGET", "mine:a", "other:a"],
        &["AT", "TIME", "1", "GET", "other:a"],
        &["AT", &at, "STRLEN", "mine:a"],
    ] {
        assert_eq!(code(run(&mut reader, words)), "NOPERM", "{words:?}");
    }
    // What would read keys that it does not name is no command for AT, whoever asks.
    for words in [
        &["AT", &at, "AT", &at, "GET", "other:a"][..],
        &["AT", &at, "RANDOMKEY"],
        &["AT", &at, "DBSIZE"],
    ] {
        let refused = run::<Value>(&mut reader, words).unwrap_err().to_string();
        assert!(refused.contains("only commands that read keys which they name"), "{refused}");
    }
    for words in [&["HISTORY", "other:a"][..], &["AT", &at, "GET", "other:a"]] {
        assert_eq!(code(run(&mut writer, words)), "NOPERM", "{words:?}");
    }
    // Without the right to AT or HISTORY itself there is neither.
    let () = run(&mut c, &["ACL", "SETUSER", "reader", "-at", "-history"]).unwrap();
    for words in [&["HISTORY", "mine:a"][..], &["AT", &at, "GET", "mine:a"]] {
        assert_eq!(code(run(&mut reader, words)), "NOPERM", "{words:?}");
    }
}

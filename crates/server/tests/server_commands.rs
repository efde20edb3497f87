//! The server's commands on itself: INFO, CLIENT, CONFIG, COMMAND, SLOWLOG, RESET, DEBUG.

use stillpoint_server::TestClient;

fn info(c: &mut TestClient, section: &str, field: &str) -> String {
    let text = c.run(&["INFO", section]);
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("INFO {section} has no {field}:\n{text}")).to_owned()
}

#[test]
fn info_counts_what_happens() {
    let mut c = TestClient::new();
    c.run(&["SET", "a", "1"]);
    c.run(&["SET", "b", "1", "EX", "100"]);
    c.run(&["GET", "a"]);
    c.run(&["GET", "nothing"]);
    c.run(&["INCR"]);
    c.run(&["HGET", "a", "f"]);
    assert_eq!(info(&mut c, "stats", "keyspace_misses"), "1");
    assert_eq!(info(&mut c, "stats", "total_error_replies"), "2");
    assert_eq!(info(&mut c, "errorstats", "errorstat_WRONGTYPE"), "count=1");
    assert!(info(&mut c, "commandstats", "cmdstat_get").starts_with("calls=2,"));
    assert!(info(&mut c, "commandstats", "cmdstat_incr").contains("rejected_calls=1"));
    assert!(info(&mut c, "keyspace", "db0").starts_with("keys=2,expires=1,avg_ttl="));
    assert_eq!(info(&mut c, "mvcc", "mvcc_enabled"), "1");
    assert_eq!(info(&mut c, "server", "redis_version"), "7.2.4");
    c.run(&["CONFIG", "RESETSTAT"]);
    assert_eq!(info(&mut c, "stats", "keyspace_misses"), "0");
    assert!(!c.run(&["INFO", "commandstats"]).contains("cmdstat_get"));
}

#[test]
fn latencies_are_told_by_percentiles_and_as_a_histogram() {
    let mut c = TestClient::new();
    c.run(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    for _ in 0..10 {
        c.run(&["SET", "a", "1"]);
    }
    let percentiles = info(&mut c, "latencystats", "latency_percentiles_usec_set");
    let figures: Vec<f64> = percentiles
        .split(',')
        .zip(["p50=", "p99=", "p99.9="])
        .map(|(figure, name)| figure.strip_prefix(name).unwrap().parse().unwrap())
        .collect();
    assert!(figures.is_sorted() && figures[0] > 0.0, "{percentiles}");
    let histogram = c.run(&["LATENCY", "HISTOGRAM", "set", "nothing", "config|get"]);
    assert!(
        histogram.starts_with("*2\r\n$3\r\nset\r\n*4\r\n$5\r\ncalls\r\n:10\r\n"),
        "{histogram}"
    );
    assert!(histogram.ends_with(":10\r\n"), "{histogram}");
    c.run(&["CONFIG", "RESETSTAT"]);
    assert_eq!(c.run(&["LATENCY", "HISTOGRAM", "set"]), "*0\r\n");
}

#[test]
fn what_fails_inside_exec_counts_once_and_not_for_exec() {
    let mut c = TestClient::new();
    for words in [&["SET", "a", "x"][..], &["MULTI"], &["INCR", "a"], &["EXEC"]] {
        c.run(words);
    }
    assert_eq!(info(&mut c, "errorstats", "errorstat_ERR"), "count=1");
    assert!(info(&mut c, "commandstats", "cmdstat_incr").ends_with("failed_calls=1"));
    assert!(info(&mut c, "commandstats", "cmdstat_exec").ends_with("failed_calls=0"));
    c.run(&["EXEC"]);
    assert_eq!(info(&mut c, "errorstats", "errorstat_ERR"), "count=2");
    assert!(info(&mut c, "commandstats", "cmdstat_exec").ends_with("failed_calls=1"));
}

#[test]
fn words_that_scripts_make_up_are_counted_together_when_there_are_many() {
    let mut c = TestClient::new();
    for i in 0..140 {
        let word = format!("w{i}");
        c.run(&["EVAL", "return redis.error_reply(ARGV[1] .. ' of mine')", "0", &word]);
    }
    c.run(&["NOSUCHCOMMAND"]);
    assert_eq!(info(&mut c, "errorstats", "errorstat_w0"), "count=1");
    assert_eq!(info(&mut c, "errorstats", "errorstat_ERRORSTATS_OVERFLOW"), "count=12");
    assert_eq!(info(&mut c, "errorstats", "errorstat_ERR"), "count=1");
    c.run(&["CONFIG", "RESETSTAT"]);
    c.run(&["EVAL", "return redis.error_reply('other thing')", "0"]);
    assert_eq!(info(&mut c, "errorstats", "errorstat_other"), "count=1");
}

#[test]
fn percentiles_are_told_in_their_shortest_form_and_only_if_they_are_kept() {
    let mut c = TestClient::new();
    c.run(&["CONFIG", "SET", "latency-tracking", "no"]);
    c.run(&["SET", "a", "1"]);
    assert!(!c.run(&["INFO", "latencystats"]).contains("usec_set"));
    c.run(&["CONFIG", "SET", "latency-tracking", "yes"]);
    c.run(&["CONFIG", "SET", "latency-tracking-info-percentiles", "0.0 50.0 99.90"]);
    let told = c.run(&["CONFIG", "GET", "latency-tracking-info-percentiles"]);
    assert!(told.ends_with("$9\r\n0 50 99.9\r\n"), "{told}");
    c.run(&["SET", "a", "1"]);
    let figures = info(&mut c, "latencystats", "latency_percentiles_usec_set");
    assert!(figures.starts_with("p0=") && figures.contains(",p50=") && figures.contains(",p99.9="));
}

#[test]
fn config_get_tells_names_in_order() {
    let mut c = TestClient::new();
    let told = c.run(&["CONFIG", "GET", "*list*", "hash-max-*", "maxmemory"]);
    let names: Vec<&str> = told.lines().filter(|l| !l.starts_with(['$', '*'])).step_by(2).collect();
    assert!(names.is_sorted() && names.len() > 8, "{names:?}");
}

#[test]
fn latency_latest_tells_sum_and_count_too() {
    let mut c = TestClient::new();
    c.run(&["CONFIG", "SET", "latency-monitor-threshold", "1"]);
    for _ in 0..2 {
        c.run(&["EVAL", "for _ = 1, 3000000 do end", "0"]);
    }
    let latest = c.run(&["LATENCY", "LATEST"]);
    assert!(latest.starts_with("*1\r\n*6\r\n$7\r\ncommand\r\n:"), "{latest}");
    let figures: Vec<u64> =
        latest.lines().filter_map(|line| line.strip_prefix(':')?.parse().ok()).collect();
    let [_, last, most, sum, count] = figures[..] else { panic!("{latest}") };
    // On a busy machine CONFIG SET may have taken long as well.
    assert!(last <= most && most < sum && sum <= count * most && count >= 2, "{latest}");
}

#[test]
fn info_gives_the_sections_asked_for() {
    let mut c = TestClient::new();
    let all = c.run(&["INFO", "everything"]);
    for section in ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU"] {
        assert!(all.contains(&format!("# {section}\r\n")), "{section} is missing");
    }
    let two = c.run(&["INFO", "cpu", "Keyspace"]);
    assert_eq!(two.matches("# ").count(), 2, "{two}");
    assert_eq!(c.run(&["INFO", "nothing"]), "$0\r\n\r\n");
}

#[test]
fn snapshots_show_in_info() {
    let mut c = TestClient::new();
    c.run(&["SNAPSHOT", "BEGIN"]);
    assert_eq!(info(&mut c, "mvcc", "mvcc_snapshots"), "1");
    assert_eq!(c.run(&["RESET"]), "+RESET\r\n");
    assert_eq!(info(&mut c, "mvcc", "mvcc_snapshots"), "0");
}

#[test]
fn clients_tell_who_they_are() {
    let mut c = TestClient::new();
    let mut other = c.another();
    assert_eq!(c.run(&["CLIENT", "SETNAME", "me"]), "+OK\r\n");
    assert_eq!(c.run(&["CLIENT", "GETNAME"]), "$2\r\nme\r\n");
    assert_eq!(c.run(&["CLIENT", "SETINFO", "LIB-NAME", "tester"]), "+OK\r\n");
    assert_eq!(c.run(&["CLIENT", "CAPA", "foresight", "Redirect"]), "+OK\r\n");
    c.run(&["SELECT", "3"]);
    c.run(&["MULTI"]);
    c.run(&["PING"]);
    let line = other.run(&["CLIENT", "LIST", "ID", "1"]);
    for field in ["id=1 ", " name=me ", " lib-name=tester ", " capa=r db="] {
        assert!(line.contains(field), "no {field:?} in {line}");
    }
    let own = other.run(&["CLIENT", "INFO"]);
    assert!(own.contains("cmd=client|info") && own.contains("multi=-1"), "{own}");
    assert_eq!(other.run(&["CLIENT", "LIST"]).matches("id=").count(), 2);
    for (words, found) in [
        (&["ID", "1", "2", "77"][..], 2),
        (&["NAME", "me"], 1),
        (&["NOT-NAME", "me", "USER", "default"], 1),
        (&["FLAGS", "N", "DB", "0"], 2),
        (&["LIB-NAME", "tester", "ID", "1", "2"], 1),
        (&["NOT-ID", "1", "2"], 0),
        (&["ID", "1", "ID", "2"], 2),
        (&["NOT-ID", "1", "NOT-ID", "2"], 0),
        (&["NAME", "nobody", "NAME", "me"], 1),
        (&["NOT-TYPE", "normal", "NOT-TYPE", "pubsub"], 2),
        (&["CAPA", "r"], 1),
        (&["NOT-CAPA", "r"], 1),
        (&["SKIPME", "yes", "TYPE", "normal"], 1),
        (&["NOT-TYPE", "normal"], 0),
        (&["MAXAGE", "1000"], 0),
        (&["IP", "nowhere"], 0),
    ] {
        let line = other.run(&[&["CLIENT", "LIST"], words].concat());
        assert_eq!(line.matches("id=").count(), found, "{words:?}: {line}");
    }
    for words in [&["ID"][..], &["NAME"], &["WHAT", "ever"], &["NOT-SKIPME", "yes"], &["DB", "x"]] {
        let refused = other.run(&[&["CLIENT", "LIST"], words].concat());
        assert!(refused.starts_with("-ERR "), "{words:?}: {refused}");
    }
    for (words, refusal) in [
        (["FLAGS", "NZ"], "Unknown flags found in the provided filter: NZ"),
        (["NOT-CAPA", "q"], "Unknown capa found in the NOT-CAPA filter: q"),
    ] {
        let refused = other.run(&[&["CLIENT", "LIST"], &words[..]].concat());
        assert_eq!(refused, format!("-ERR {refusal}\r\n"));
    }
    assert_eq!(other.run(&["CLIENT", "KILL", "NAME", "nobody"]), ":0\r\n");
    assert_eq!(c.run(&["RESET"]), "+RESET\r\n");
    assert!(c.run(&["CLIENT", "INFO"]).contains(" capa= "));
    assert_eq!(c.run(&["CLIENT", "GETNAME"]), "$-1\r\n");
    assert_eq!(c.run(&["EXEC"]), "-ERR EXEC without MULTI\r\n");
}

#[test]
fn settings_change_all_or_none_and_at_once() {
    let mut c = TestClient::new();
    assert_eq!(c.run(&["CONFIG", "SET", "mvcc.max_versions", "5", "maxmemory", "1mb"]), "+OK\r\n");
    assert_eq!(
        c.run(&["CONFIG", "GET", "mvcc.max*", "MAXMEMORY"]),
        "*4\r\n$9\r\nmaxmemory\r\n$7\r\n1048576\r\n$17\r\nmvcc.max_versions\r\n$1\r\n5\r\n"
    );
    assert_eq!(info(&mut c, "mvcc", "mvcc_max_versions"), "5");
    assert!(
        c.run(&["CONFIG", "SET", "timeout", "9", "timeout", "8"]).contains("duplicate parameter")
    );
    assert_eq!(c.run(&["CONFIG", "SET", "requirepass", "x"]), "+OK\r\n");
    let mut stranger = c.another();
    assert_eq!(stranger.run(&["PING"]), "-NOAUTH Authentication required.\r\n");
    assert_eq!(c.run(&["PING"]), "+PONG\r\n");
}

#[test]
fn the_table_of_commands_is_told() {
    let mut c = TestClient::new();
    let count = c.run(&["COMMAND", "COUNT"]);
    let listed = c.run(&["COMMAND", "LIST"]);
    assert!(
        count.len() > 3 && listed.contains("\r\nconfig|get\r\n") && listed.contains("\r\nget\r\n")
    );
    assert_eq!(
        c.run(&["COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"]),
        "*2\r\n$1\r\na\r\n$1\r\nb\r\n"
    );
    assert!(c.run(&["COMMAND", "INFO", "config|get"]).contains("$10\r\nconfig|get\r\n:-3\r\n"));
    assert_eq!(c.run(&["COMMAND", "INFO", "nothing"]), "*1\r\n*-1\r\n");
    let set = c.run(&["COMMAND", "LIST", "FILTERBY", "PATTERN", "hset*"]);
    assert!(set.starts_with("*3\r\n") && set.contains("hsetnx"), "{set}");
}

#[test]
fn slow_commands_are_remembered() {
    let mut c = TestClient::new();
    c.run(&["CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "2"]);
    for key in ["a", "b", "c"] {
        c.run(&["GET", key]);
    }
    assert_eq!(c.run(&["SLOWLOG", "LEN"]), ":2\r\n");
    let newest = c.run(&["SLOWLOG", "GET"]);
    assert!(
        newest.contains("SLOWLOG\r\n$3\r\nLEN\r\n")
            && newest.contains("*2\r\n$3\r\nGET\r\n$1\r\nc\r\n"),
        "{newest}"
    );
    assert_eq!(c.run(&["SLOWLOG", "RESET"]), "+OK\r\n");
    assert_eq!(c.run(&["SLOWLOG", "LEN"]), ":1\r\n");
}

#[test]
fn resp3_has_its_own_types() {
    let mut c = TestClient::new();
    let welcome = c.run(&["HELLO", "3", "SETNAME", "n"]);
    assert!(welcome.starts_with("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n"), "{welcome}");
    assert!(c.run(&["CONFIG", "GET", "port"]).starts_with("%1\r\n"));
    assert!(c.run(&["INFO", "cpu"]).starts_with('='));
    assert_eq!(c.run(&["GET", "nothing"]), "_\r\n");
    assert!(c.run(&["HELLO", "2"]).starts_with("*14\r\n"));
    c.run(&["CONFIG", "SET", "availability-zone", "east"]);
    let welcome = c.run(&["HELLO", "2"]);
    assert!(welcome.starts_with("*16\r\n"), "{welcome}");
    assert!(welcome.ends_with("$17\r\navailability_zone\r\n$4\r\neast\r\n"), "{welcome}");
    assert_eq!(info(&mut c, "server", "availability_zone"), "east");
}

#[test]
fn debug_is_off_and_no_client_switches_it_on() {
    let mut c = TestClient::new();
    assert!(c.run(&["DEBUG", "DIGEST"]).starts_with("-ERR DEBUG command not allowed"));
    assert!(c.run(&["CONFIG", "SET", "enable-debug-command", "yes"]).contains("immutable"));
}

#[test]
fn nothing_that_needs_memory_is_done_beyond_maxmemory() {
    const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.\r\n";
    let mut c = TestClient::new();
    c.run(&["SET", "a", "1"]);
    c.run(&["MULTI"]);
    assert_eq!(c.run(&["SET", "a", "2"]), "+QUEUED\r\n");
    let mut other = c.another();
    assert_eq!(other.run(&["CONFIG", "SET", "maxmemory", "1"]), "+OK\r\n");
    c.advance_ms(1);
    assert_eq!(c.run(&["EXEC"]), format!("-EXECABORT Transaction discarded because of: {OOM}"));
    assert_eq!(c.run(&["SET", "a", "3"]), format!("-{OOM}"));
    assert_eq!(c.run(&["GET", "a"]), "$1\r\n1\r\n");
    assert_eq!(c.run(&["DEL", "a"]), ":1\r\n");
    assert_eq!(c.run(&["CONFIG", "SET", "maxmemory", "0"]), "+OK\r\n");
    assert_eq!(c.run(&["SET", "a", "3"]), "+OK\r\n");
}

#[test]
fn databases_are_emptied_one_or_all() {
    let mut c = TestClient::new();
    c.run(&["SET", "a", "1"]);
    c.run(&["SELECT", "1"]);
    c.run(&["MSET", "a", "1", "b", "2"]);
    assert_eq!(c.run(&["DBSIZE"]), ":2\r\n");
    assert_eq!(c.run(&["FLUSHDB", "ASYNC"]), "+OK\r\n");
    assert_eq!(c.run(&["DBSIZE"]), ":0\r\n");
    c.run(&["SELECT", "0"]);
    assert_eq!(c.run(&["DBSIZE"]), ":1\r\n");
    assert_eq!(c.run(&["FLUSHALL"]), "+OK\r\n");
    assert_eq!(c.run(&["DBSIZE"]), ":0\r\n");
}

#[test]
fn several_strings_are_set_with_a_time_if_a_condition_holds() {
    let mut c = TestClient::new();
    assert_eq!(c.run(&["MSETEX", "2", "a", "1", "b", "2", "EX", "100"]), ":1\r\n");
    assert_eq!(c.run(&["TTL", "b"]), ":100\r\n");
    assert_eq!(c.run(&["MSETEX", "2", "a", "9", "c", "9", "NX"]), ":0\r\n");
    assert_eq!(c.run(&["MSETEX", "2", "a", "9", "c", "9", "XX"]), ":0\r\n");
    assert_eq!(c.run(&["MSETEX", "2", "a", "3", "b", "4", "XX", "KEEPTTL"]), ":1\r\n");
    assert_eq!(c.run(&["MGET", "a", "b", "c"]), "*3\r\n$1\r\n3\r\n$1\r\n4\r\n$-1\r\n");
    assert_eq!(c.run(&["TTL", "a"]), ":100\r\n");
    for words in [
        &["MSETEX", "2", "a", "1"][..],
        &["MSETEX", "0", "a", "1"],
        &["MSETEX", "1", "a", "1", "EX"],
    ] {
        assert!(c.run(words).starts_with("-ERR"), "{words:?}");
    }
    let keys = c.run(&["COMMAND", "GETKEYS", "MSETEX", "2", "a", "1", "b", "2", "EX", "1"]);
    assert_eq!(keys, "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
}

#[test]
fn keys_are_watched_once_however_many_there_are() {
    let mut c = TestClient::new();
    let keys: Vec<String> = (0..50_000).map(|n| format!("key:{n}")).collect();
    let words: Vec<&str> = ["WATCH"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    assert_eq!(c.run(&words), "+OK\r\n");
    assert_eq!(c.run(&words), "+OK\r\n");
    assert!(c.run(&["CLIENT", "INFO"]).contains(" watch=50000 "));
    c.run(&["MULTI"]);
    c.another().run(&["SET", "key:7", "x"]);
    c.run(&["PING"]);
    assert_eq!(c.run(&["EXEC"]), "*-1\r\n");
}

#[test]
fn keys_and_their_flags_are_those_of_the_whole_request() {
    let mut c = TestClient::new();
    let mut ask = |words: &[&str]| c.run(&[&["COMMAND"], words].concat());
    // What a script has for keys it says itself, if it has any.
    for count in ["9", "-1", "x"] {
        assert_eq!(ask(&["GETKEYS", "eval", "return 1", count, "a"]), "*0\r\n");
    }
    let invalid = "-ERR Invalid arguments specified for command\r\n";
    assert_eq!(ask(&["GETKEYS", "zunionstore", "d", "5", "a"]), invalid);
    let flags = |flags: &str| format!("*1\r\n*2\r\n$1\r\nk\r\n{flags}");
    let written = flags("*2\r\n+OW\r\n+update\r\n");
    let read_too = flags("*3\r\n+RW\r\n+access\r\n+update\r\n");
    let read = flags("*2\r\n+RO\r\n+access\r\n");
    assert_eq!(ask(&["GETKEYSANDFLAGS", "set", "k", "v"]), written);
    assert_eq!(ask(&["GETKEYSANDFLAGS", "msetex", "1", "k", "v", "EX", "9"]), written);
    assert_eq!(ask(&["GETKEYSANDFLAGS", "set", "k", "v", "NX", "get"]), read_too);
    assert_eq!(ask(&["GETKEYSANDFLAGS", "bitfield", "k", "get", "u8", "0"]), read);
    assert_eq!(ask(&["GETKEYSANDFLAGS", "bitfield", "k", "get", "u8"]), read_too);
}

#[test]
fn commands_with_large_requests_and_replies_are_remembered() {
    let mut c = TestClient::new();
    let set = ["CONFIG", "SET", "commandlog-request-larger-than", "1000"];
    c.run(&[&set[..], &["commandlog-reply-larger-than", "1000"]].concat());
    let long = "x".repeat(1000);
    c.run(&["SET", "k", &long]);
    c.run(&["GET", "k"]);
    c.run(&["EVAL", "redis.call('set', 'l', redis.call('get', 'k') .. 'x') return 1", "0"]);
    assert_eq!(c.run(&["COMMANDLOG", "LEN", "large-request"]), ":1\r\n");
    assert_eq!(c.run(&["COMMANDLOG", "LEN", "large-reply"]), ":1\r\n");
    let entry = c.run(&["COMMANDLOG", "GET", "-1", "large-reply"]);
    assert!(entry.contains(":1009\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), "{entry}");
    let entry = c.run(&["COMMANDLOG", "GET", "1", "LARGE-REQUEST"]);
    assert!(entry.contains(":1029\r\n*3\r\n$3\r\nSET\r\n"), "{entry}");
    assert_eq!(c.run(&["COMMANDLOG", "RESET", "large-request"]), "+OK\r\n");
    assert_eq!(c.run(&["COMMANDLOG", "LEN", "large-request"]), ":0\r\n");
    c.run(&["CONFIG", "SET", "commandlog-large-reply-max-len", "0"]);
    c.run(&["GET", "k"]);
    assert_eq!(c.run(&["COMMANDLOG", "LEN", "large-reply"]), ":1\r\n");
    // The slow log goes by either name.
    c.run(&["CONFIG", "SET", "commandlog-execution-slower-than", "0"]);
    assert!(c.run(&["CONFIG", "GET", "slowlog-log-slower-than"]).ends_with("$1\r\n0\r\n"));
    assert_eq!(c.run(&["COMMANDLOG", "RESET", "slow"]), "+OK\r\n");
    assert_eq!(c.run(&["SLOWLOG", "LEN"]), ":1\r\n");
    for (words, text) in [
        (["GET", "-2", "slow"], "count should be greater than or equal to -1"),
        (
            ["GET", "1", "fast"],
            "type should be one of the following: slow, large-request, large-reply",
        ),
    ] {
        assert_eq!(c.run(&[&["COMMANDLOG"], &words[..]].concat()), format!("-ERR {text}\r\n"));
    }
}

#[test]
fn lolwut_names_the_version_that_clients_look_for() {
    let text = TestClient::new().run(&["LOLWUT"]);
    assert!(text.contains("Redis ver. 7.2.4") && text.contains("Stillpoint"), "{text}");
}

//! SORT over lists, sets and sorted sets.

use super::check;
use stillpoint_server::TestClient;

#[test]
fn elements_are_sorted_by_themselves_or_by_what_keys_say() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("RPUSH l 3 10 1 2", ":4"),
            ("SORT l", "*4\n$1\n1\n$1\n2\n$1\n3\n$2\n10"),
            ("SORT l DESC LIMIT 1 2", "*2\n$1\n3\n$1\n2"),
            ("SORT_RO l ALPHA", "*4\n$1\n1\n$2\n10\n$1\n2\n$1\n3"),
            ("MSET w1 9 w2 8 w3 7 w10 6 n1 one n2 two", "+OK"),
            ("SORT l BY w* LIMIT 0 2", "*2\n$2\n10\n$1\n3"),
            ("SORT l BY w* GET n* GET # LIMIT 2 2", "*4\n$3\ntwo\n$1\n2\n$3\none\n$1\n1"),
            ("HSET h1 f x", ":1"),
            ("SORT l GET h*->f LIMIT 0 2", "*2\n$1\nx\n$-1"),
            ("SORT l BY nosort", "*4\n$1\n3\n$2\n10\n$1\n1\n$1\n2"),
            ("SORT l BY nosort DESC", "*4\n$1\n2\n$1\n1\n$2\n10\n$1\n3"),
            ("SORT l STORE d", ":4"),
            ("LRANGE d 0 -1", "*4\n$1\n1\n$1\n2\n$1\n3\n$2\n10"),
            ("SORT nothing STORE d", ":0"),
            ("EXISTS d", ":0"),
            ("COMMAND GETKEYS SORT l BY STORE STORE x STORE d", "*2\n$1\nl\n$1\nd"),
            ("SORT_RO l STORE d", "-ERR syntax error"),
            ("SADD s a b", ":2"),
            ("SORT s", "-ERR One or more scores can't be converted into double"),
            ("SORT s ALPHA DESC", "*2\n$1\nb\n$1\na"),
            ("ZADD z 2 x 1 y", ":2"),
            ("SORT z BY nosort", "*2\n$1\ny\n$1\nx"),
            ("SORT w1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ],
    );
}

#[test]
fn a_number_ends_at_a_zero_byte() {
    let mut c = TestClient::new();
    c.run(&["SET", "w:a", "2"]);
    c.run(&["SET", "w:b", "1\0 and more"]);
    c.run(&["RPUSH", "l", "a", "b"]);
    check(&mut c, &[("SORT l BY w:*", "*2\n$1\nb\n$1\na")]);
}

#[test]
fn weights_out_of_range_are_no_numbers() {
    let mut c = TestClient::new();
    c.run(&["RPUSH", "l", "1", "2"]);
    c.run(&["SET", "w_1", "5"]);
    for (weight, is_number) in [
        ("1e300740", false),
        ("-1e400", false),
        ("4e-400", false),
        ("inf", true),
        ("-inf", true),
        ("0e400", true),
        ("-0.0", true),
        ("1e-300", true),
        ("1.7e308", true),
        ("", true),
    ] {
        c.run(&["SET", "w_2", weight]);
        let reply = c.run(&["SORT", "l", "BY", "w_*"]);
        assert_eq!(reply.starts_with("*2"), is_number, "{weight}: {reply}");
        assert_eq!(reply.starts_with("-ERR One or more scores"), !is_number, "{weight}: {reply}");
    }
}

//! Sorted sets, packed and large.

use super::{check, sorted};
use stillpoint_server::TestClient;

#[test]
fn scores_are_set_read_and_removed() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("ZADD z 1 a 2 b 2 c", ":3"),
            ("ZADD z XX CH 5 a 6 new", ":1"),
            ("ZADD z NX 9 a 0 d", ":1"),
            ("ZADD z GT CH 4 a 7 b", ":1"),
            ("ZADD z INCR 0.5 b", "$3\n7.5"),
            ("ZADD z NX INCR 0.5 b", "$-1"),
            (
                "ZADD z LT GT 1 a",
                "-ERR GT, LT, and/or NX options at the same time are not compatible",
            ),
            ("ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible"),
            ("ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair"),
            ("ZADD z 1 a 2", "-ERR syntax error"),
            ("ZADD z 1 a x b", "-ERR value is not a valid float"),
            ("ZADD z nan a", "-ERR value is not a valid float"),
            (
                "ZRANGE z 0 -1 WITHSCORES",
                "*8\n$1\nd\n$1\n0\n$1\nc\n$1\n2\n$1\na\n$1\n5\n$1\nb\n$3\n7.5",
            ),
            ("ZADD i inf x", ":1"),
            ("ZINCRBY i -inf x", "-ERR resulting score is not a number (NaN)"),
            ("ZINCRBY i 1e400 y", "-ERR value is not a valid float"),
            ("ZSCORE i x", "$3\ninf"),
            ("ZADD i -0 zero", ":1"),
            ("ZMSCORE i zero nothing", "*2\n$2\n-0\n$-1"),
            ("ZRANK z b", ":3"),
            ("ZREVRANK z b", ":0"),
            ("ZRANK z b WITHSCORE", "*2\n:3\n$3\n7.5"),
            ("ZRANK z nothing WITHSCORE", "*-1"),
            ("ZREM z a b nothing", ":2"),
            ("ZCARD z", ":2"),
            ("ZREM z c d", ":2"),
            ("EXISTS z", ":0"),
            ("SET s v", "+OK"),
            ("ZADD s 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ],
    );
    c.run(&["HELLO", "3"]);
    check(
        &mut c,
        &[
            ("ZADD z 1.5 a", ":1"),
            ("ZSCORE z a", ",1.5"),
            ("ZRANGE z 0 0 WITHSCORES", "*1\n*2\n$1\na\n,1.5"),
        ],
    );
}

/// `ZRANGE`'s members in words, for a key of members `m000…` with their number for a score.
fn range(c: &mut TestClient, words: &str) -> Vec<u32> {
    let words: Vec<&str> = words.split(' ').collect();
    let reply = c.run(&words);
    reply.lines().filter_map(|line| line.strip_prefix('m')?.parse().ok()).collect()
}

#[test]
fn ranges_are_the_same_in_either_form() {
    for (entries, encoding) in [("200", "$8\nlistpack"), ("10", "$8\nskiplist")] {
        let mut c = TestClient::new();
        c.run(&["CONFIG", "SET", "zset-max-listpack-entries", entries]);
        for number in (0..100).rev() {
            c.run(&["ZADD", "z", &number.to_string(), &format!("m{number:03}")]);
            c.run(&["ZADD", "same", "0", &format!("m{number:03}")]);
        }
        check(&mut c, &[("OBJECT ENCODING z", encoding), ("TYPE z", "+zset")]);
        assert_eq!(range(&mut c, "ZRANGE z 10 12"), [10, 11, 12]);
        assert_eq!(range(&mut c, "ZRANGE z -2 1000"), [98, 99]);
        assert_eq!(range(&mut c, "ZREVRANGE z 0 1"), [99, 98]);
        assert_eq!(range(&mut c, "ZRANGE z (10 13 BYSCORE"), [11, 12, 13]);
        assert_eq!(range(&mut c, "ZRANGE z (13 10 BYSCORE REV LIMIT 1 2"), [11, 10]);
        assert_eq!(range(&mut c, "ZRANGEBYSCORE z -inf +inf LIMIT 97 -1"), [97, 98, 99]);
        assert_eq!(range(&mut c, "ZREVRANGEBYSCORE z 3 (1"), [3, 2]);
        assert_eq!(range(&mut c, "ZRANGEBYSCORE z 3 1"), [0u32; 0]);
        assert_eq!(range(&mut c, "ZRANGEBYLEX same [m010 (m012"), [10, 11]);
        assert_eq!(range(&mut c, "ZRANGE same + (m097 BYLEX REV"), [99, 98]);
        check(
            &mut c,
            &[
                ("ZCOUNT z 10 (20", ":10"),
                ("ZLEXCOUNT same - [m004", ":5"),
                (
                    "ZRANGE z 0 1 LIMIT 0 1",
                    "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
                ),
                (
                    "ZRANGE z - + BYLEX WITHSCORES",
                    "-ERR syntax error, WITHSCORES not supported in combination with BYLEX",
                ),
                ("ZCOUNT z x 1", "-ERR min or max is not a float"),
                ("ZLEXCOUNT z x +", "-ERR min or max not valid string range item"),
                ("ZRANGESTORE d z 5 7", ":3"),
                ("ZCARD d", ":3"),
                ("ZRANGESTORE d nothing 0 -1", ":0"),
                ("EXISTS d", ":0"),
                ("ZREMRANGEBYRANK z 0 9", ":10"),
                ("ZREMRANGEBYSCORE z 20 (30", ":10"),
                ("ZREMRANGEBYLEX same - (m090", ":90"),
                ("ZCARD z", ":80"),
                ("ZPOPMIN z", "*2\n$4\nm010\n$2\n10"),
                ("ZPOPMAX z 2", "*4\n$4\nm099\n$2\n99\n$4\nm098\n$2\n98"),
                (
                    "ZMPOP 2 nothing z MIN COUNT 2",
                    "*2\n$1\nz\n*2\n*2\n$4\nm011\n$2\n11\n*2\n$4\nm012\n$2\n12",
                ),
                ("ZMPOP 1 nothing MAX", "*-1"),
                ("ZPOPMIN nothing 2", "*0"),
            ],
        );
        let before = range(&mut c, "ZRANGE z 0 -1");
        c.run(&["DEBUG", "RELOAD"]);
        assert_eq!(range(&mut c, "ZRANGE z 0 -1"), before);
        assert_eq!(sorted(&c.run(&["ZRANDMEMBER", "z", "-30"])).len(), 30);
        assert_eq!(sorted(&c.run(&["ZRANDMEMBER", "z", "1000"])).len(), before.len());
    }
}

#[test]
fn sorted_sets_and_sets_are_put_together() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("ZADD a 1 x 2 y 3 z", ":3"),
            ("ZADD b 10 y 20 z 30 w", ":3"),
            ("SADD s x y", ":2"),
            ("ZINTER 2 a b WITHSCORES", "*4\n$1\ny\n$2\n12\n$1\nz\n$2\n23"),
            ("ZUNIONSTORE d 3 a b s WEIGHTS 1 2 100 AGGREGATE MAX", ":4"),
            (
                "ZRANGE d 0 -1 WITHSCORES",
                "*8\n$1\nz\n$2\n40\n$1\nw\n$2\n60\n$1\nx\n$3\n100\n$1\ny\n$3\n100",
            ),
            ("ZDIFF 2 a s", "*1\n$1\nz"),
            ("ZDIFFSTORE d 2 a nothing", ":3"),
            ("ZINTERCARD 2 a b LIMIT 1", ":1"),
            ("ZINTERSTORE d 2 a nothing", ":0"),
            ("EXISTS d", ":0"),
            ("ZUNION 0 a", "-ERR at least 1 input key is needed for 'zunion' command"),
            ("ZUNION 2 a", "-ERR syntax error"),
            ("ZUNION 1 a WEIGHTS x", "-ERR weight value is not a float"),
            ("ZDIFF 1 a WEIGHTS 1", "-ERR syntax error"),
            ("COMMAND GETKEYS ZUNIONSTORE d 2 a b WEIGHTS 1 2", "*3\n$1\nd\n$1\na\n$1\nb"),
            ("ZADD i inf x", ":1"),
            ("ZADD j -inf x", ":1"),
            ("ZUNION 2 i j WITHSCORES", "*2\n$1\nx\n$1\n0"),
        ],
    );
}

#[test]
fn zscan_misses_no_member_whose_score_changes_meanwhile() {
    let mut c = TestClient::new();
    check(&mut c, &[("CONFIG SET zset-max-listpack-entries 4", "+OK")]);
    (0..300).for_each(|n| drop(c.run(&["ZADD", "z", &n.to_string(), &format!("m{n:03}")])));
    let (mut cursor, mut seen, mut step) = ("0".to_owned(), Vec::new(), 0);
    while step == 0 || cursor != "0" {
        let reply = c.run(&["ZSCAN", "z", &cursor, "COUNT", "10"]);
        cursor = reply.lines().nth(2).unwrap_or("0").to_owned();
        seen.extend(reply.lines().filter(|line| line.starts_with('m')).map(str::to_owned));
        for of in 0..10 {
            let member = format!("m{:03}", (step * 37 + of * 11) % 300);
            c.run(&["ZINCRBY", "z", if step % 2 == 0 { "500" } else { "-500" }, &member]);
        }
        step += 1;
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 300);
}

#[test]
fn pops_that_may_wait_take_what_is_there() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("ZADD z 1 a 2 b", ":2"),
            ("BZPOPMIN nothing z 1", "*3\n$1\nz\n$1\na\n$1\n1"),
            ("BZMPOP 1 2 nothing z MAX COUNT 5", "*2\n$1\nz\n*1\n*2\n$1\nb\n$1\n2"),
            ("BZPOPMAX z x", "-ERR timeout is not a float or out of range"),
            ("BZMPOP 1 0 z MIN", "-ERR numkeys should be greater than 0"),
            ("MULTI", "+OK"),
            ("BZPOPMIN z 0", "+QUEUED"),
            ("EXEC", "*1\n*-1"),
        ],
    );
}

#[test]
fn no_limit_beside_ranks_skips_nothing() {
    let mut c = TestClient::new();
    let steps = [
        ("ZADD z 1 a 2 b", ":2"),
        ("ZRANGE z 0 0 LIMIT 1 -1", "*1\n$1\na"),
        ("ZREVRANGE z 0 -1 LIMIT 5 -1", "*2\n$1\nb\n$1\na"),
        ("ZRANGESTORE d z 0 -1 LIMIT 5 -1", ":2"),
    ];
    check(&mut c, &steps);
}

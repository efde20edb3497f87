//! Streams and their groups.

use super::check;
use stillpoint_server::TestClient;

#[test]
fn entries_are_added_read_and_trimmed() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("XADD s 1-1 a 1", "$3\n1-1"),
            ("XADD s 1-* a 2 b 3", "$3\n1-2"),
            ("XADD s * a 4", "$15\n1700000000000-0"),
            (
                "XADD s 5-0 a 5",
                "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ),
            ("XADD s 0-0 a 5", "-ERR The ID specified in XADD must be greater than 0-0"),
            ("XADD s * a", "-ERR wrong number of arguments for 'xadd' command"),
            ("XADD t NOMKSTREAM * a 1", "$-1"),
            ("XLEN s", ":3"),
            ("TYPE s", "+stream"),
            ("OBJECT ENCODING s", "$6\nstream"),
            ("XRANGE s - (1-2", "*1\n*2\n$3\n1-1\n*2\n$1\na\n$1\n1"),
            ("XREVRANGE s 1 - COUNT 1", "*1\n*2\n$3\n1-2\n*4\n$1\na\n$1\n2\n$1\nb\n$1\n3"),
            ("XRANGE s 2 1", "*0"),
            (
                "XREAD COUNT 1 STREAMS s 1-1",
                "*1\n*2\n$1\ns\n*1\n*2\n$3\n1-2\n*4\n$1\na\n$1\n2\n$1\nb\n$1\n3",
            ),
            ("XREAD STREAMS s $", "*-1"),
            ("XDEL s 1-1 9-9", ":1"),
            ("XTRIM s MAXLEN 1", ":1"),
            ("XTRIM s MAXLEN = 0", ":1"),
            ("EXISTS s", ":1"),
            ("XSETID s 1-1", "+OK"),
            (
                "XADD s 1-0 a b",
                "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ),
        ],
    );
}

#[test]
fn a_group_shares_entries_and_remembers_what_is_pending() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            (
                "XGROUP CREATE s g 0",
                "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
            ),
            ("XGROUP CREATE s g 0 MKSTREAM", "+OK"),
            ("XGROUP CREATE s g 0", "-BUSYGROUP Consumer Group name already exists"),
            ("XADD s 1-0 a 1", "$3\n1-0"),
            ("XADD s 2-0 a 2", "$3\n2-0"),
            (
                "XREADGROUP GROUP g alice COUNT 1 STREAMS s >",
                "*1\n*2\n$1\ns\n*1\n*2\n$3\n1-0\n*2\n$1\na\n$1\n1",
            ),
            (
                "XREADGROUP GROUP g bob STREAMS s >",
                "*1\n*2\n$1\ns\n*1\n*2\n$3\n2-0\n*2\n$1\na\n$1\n2",
            ),
            ("XREADGROUP GROUP g bob STREAMS s >", "*-1"),
            (
                "XREADGROUP GROUP none bob STREAMS s >",
                "-NOGROUP No such key 's' or consumer group 'none' in XREADGROUP with GROUP option",
            ),
            (
                "XPENDING s g",
                "*4\n:2\n$3\n1-0\n$3\n2-0\n*2\n*2\n$5\nalice\n$1\n1\n*2\n$3\nbob\n$1\n1",
            ),
            ("XPENDING s g - + 10 bob", "*1\n*4\n$3\n2-0\n$3\nbob\n:0\n:1"),
            ("XCLAIM s g bob 0 1-0 JUSTID", "*1\n$3\n1-0"),
            ("XREADGROUP GROUP g alice STREAMS s 0", "*1\n*2\n$1\ns\n*0"),
            ("XDEL s 1-0", ":1"),
            (
                "XAUTOCLAIM s g alice 0 0",
                "*3\n$3\n0-0\n*1\n*2\n$3\n2-0\n*2\n$1\na\n$1\n2\n*1\n$3\n1-0",
            ),
            ("XACK s g 2-0 1-0", ":1"),
            ("XPENDING s g", "*4\n:0\n$-1\n$-1\n*-1"),
            ("XGROUP DELCONSUMER s g bob", ":0"),
            ("XGROUP CREATECONSUMER s g bob", ":1"),
            ("XGROUP DESTROY s g", ":1"),
            ("XGROUP DESTROY s g", ":0"),
        ],
    );
}

/// What takes long is not for an event loop, and comes to the same elsewhere; what does not stays there.
#[test]
fn much_work_for_a_group_is_done_elsewhere() {
    let mut c = TestClient::new();
    let add = "for id = 1, 6000 do redis.call('XADD', KEYS[1], id .. '-1', 'f', 'v') end";
    c.run(&["EVAL", add, "1", "s"]);
    let cases = [
        (false, "XGROUP CREATE s g 0", "+OK\r\n"),
        (false, "XREADGROUP GROUP g a COUNT 100 STREAMS s >", "*1\r\n*2\r\n$1\r\ns\r\n*100\r\n"),
        (true, "XREADGROUP GROUP g a STREAMS s >", "*1\r\n*2\r\n$1\r\ns\r\n*5900\r\n"),
        (false, "XREADGROUP GROUP g a STREAMS s >", "*-1\r\n"),
        (false, "XREADGROUP GROUP g a COUNT 100 STREAMS s 0", "*1\r\n*2\r\n$1\r\ns\r\n*100\r\n"),
        (true, "XREADGROUP GROUP g a STREAMS s 0", "*1\r\n*2\r\n$1\r\ns\r\n*6000\r\n"),
        (false, "XPENDING s g - + 100", "*100\r\n"),
        (true, "XPENDING s g - + 5000", "*5000\r\n"),
        (true, "XPENDING s g - + 10 nobody", "*0\r\n"),
        (false, "XPENDING s g", "*4\r\n:6000\r\n"),
        (false, "XINFO STREAM s FULL", "*18\r\n"),
        (true, "XINFO STREAM s FULL COUNT 0", "*18\r\n"),
        (false, "XAUTOCLAIM s g b 0 0 COUNT 100 JUSTID", "*3\r\n$5\r\n101-1\r\n*100\r\n"),
        (true, "XAUTOCLAIM s g b 0 0 COUNT 5000 JUSTID", "*3\r\n$6\r\n5001-1\r\n*5000\r\n"),
        (true, "XAUTOCLAIM s g b 999999 0 COUNT 500 JUSTID", "*3\r\n$6\r\n5001-1\r\n*0\r\n"),
        (true, "XGROUP DELCONSUMER s g b", ":5000\r\n"),
        (false, "XPENDING s g", "*4\r\n:1000\r\n"),
        (false, "XTRIM s MAXLEN 5800", ":200\r\n"),
        (true, "XTRIM s MINID 2000", ":1799\r\n"),
        (false, "XADD s MAXLEN ~ 4000 7000 f v", "$6\r\n7000-0\r\n"),
        (true, "XADD s MAXLEN 10 7001 f v", "$6\r\n7001-0\r\n"),
        (false, "XLEN s", ":10\r\n"),
    ];
    for (number, (moves, request, start)) in cases.into_iter().enumerate() {
        let (moved, reply) = c.run_on_loop(&request.split(' ').collect::<Vec<_>>());
        assert!(reply.starts_with(start), "{number}: {request} is answered {:.60}", reply);
        assert_eq!(moved, moves, "{number}: {request}");
    }
}

//! Lists, packed and large.

use super::check;
use stillpoint_server::TestClient;

#[test]
fn elements_are_pushed_read_and_popped_at_both_ends() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("RPUSH l a b", ":2"),
            ("LPUSH l 1 2", ":4"),
            ("LRANGE l 0 -1", "*4\n$1\n2\n$1\n1\n$1\na\n$1\nb"),
            ("LRANGE l -2 100", "*2\n$1\na\n$1\nb"),
            ("LRANGE l 3 1", "*0"),
            ("LINDEX l -1", "$1\nb"),
            ("LINDEX l 4", "$-1"),
            ("LPOP l", "$1\n2"),
            ("RPOP l 2", "*2\n$1\nb\n$1\na"),
            ("LPOP l 0", "*0"),
            ("LPOP l -1", "-ERR value is out of range, must be positive"),
            ("LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command"),
            ("RPOP l", "$1\n1"),
            ("EXISTS l", ":0"),
            ("LPOP l", "$-1"),
            ("LPOP l 3", "*-1"),
            ("LPUSHX l a", ":0"),
            ("LLEN l", ":0"),
            ("SET s v", "+OK"),
            ("LPUSH s a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("LLEN s", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ],
    );
}

#[test]
fn elements_are_found_replaced_and_removed() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("RPUSH l a b c a b c a", ":7"),
            ("LPOS l a RANK 2", ":3"),
            ("LPOS l a COUNT 0", "*3\n:0\n:3\n:6"),
            ("LPOS l a RANK -1 COUNT 2", "*2\n:6\n:3"),
            ("LPOS l a COUNT 0 MAXLEN 4", "*2\n:0\n:3"),
            ("LPOS l x", "$-1"),
            ("LREM l -2 a", ":2"),
            ("LRANGE l 0 -1", "*5\n$1\na\n$1\nb\n$1\nc\n$1\nb\n$1\nc"),
            ("LSET l -1 z", "+OK"),
            ("LSET l 9 z", "-ERR index out of range"),
            ("LSET nothing 0 z", "-ERR no such key"),
            ("LINSERT l AFTER c new", ":6"),
            ("LINSERT l BEFORE x new", ":-1"),
            ("LINSERT nothing BEFORE x new", ":0"),
            ("LTRIM l 1 3", "+OK"),
            ("LRANGE l 0 -1", "*3\n$1\nb\n$1\nc\n$3\nnew"),
            ("LTRIM l 5 9", "+OK"),
            ("EXISTS l", ":0"),
        ],
    );
}

#[test]
fn elements_move_between_lists() {
    let mut c = TestClient::new();
    check(
        &mut c,
        &[
            ("RPUSH l a b c", ":3"),
            ("LMOVE l m LEFT RIGHT", "$1\na"),
            ("RPOPLPUSH l m", "$1\nc"),
            ("LRANGE m 0 -1", "*2\n$1\nc\n$1\na"),
            ("LMOVE m m LEFT RIGHT", "$1\nc"),
            ("LRANGE m 0 -1", "*2\n$1\na\n$1\nc"),
            ("LMOVE nothing m LEFT LEFT", "$-1"),
            ("SET s v", "+OK"),
            (
                "LMOVE m s LEFT LEFT",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
            ("LLEN m", ":2"),
            ("LMPOP 3 nothing m l RIGHT COUNT 9", "*2\n$1\nm\n*2\n$1\nc\n$1\na"),
            ("LMPOP 1 m LEFT", "*-1"),
            ("LMPOP 0 m LEFT", "-ERR numkeys should be greater than 0"),
            ("LMPOP 1 m LEFT COUNT 0", "-ERR count should be greater than 0"),
            ("LMPOP 1 m UP", "-ERR syntax error"),
        ],
    );
}

#[test]
fn a_list_that_grows_changes_its_form_and_keeps_its_elements() {
    let mut c = TestClient::new();
    check(&mut c, &[("CONFIG SET list-max-listpack-size 16", "+OK")]);
    for number in 0..3_000 {
        c.run(&["RPUSH", "l", &number.to_string()]);
        if number == 15 {
            check(&mut c, &[("OBJECT ENCODING l", "$8\nlistpack")]);
        }
    }
    check(
        &mut c,
        &[
            ("OBJECT ENCODING l", "$9\nquicklist"),
            ("LINDEX l 1234", "$4\n1234"),
            ("LINSERT l BEFORE 1500 x", ":3001"),
            ("LRANGE l 1499 1501", "*3\n$4\n1499\n$1\nx\n$4\n1500"),
            ("LREM l 0 x", ":1"),
            ("LPOS l 2999 RANK -1 MAXLEN 1", ":2999"),
            ("COPY l m", ":1"),
            ("LTRIM l 1000 -1000", "+OK"),
            ("LLEN l", ":1001"),
            ("LINDEX l 0", "$4\n1000"),
            ("LINDEX l -1", "$4\n2000"),
            ("LLEN m", ":3000"),
            ("LTRIM l 0 7", "+OK"),
            ("OBJECT ENCODING l", "$8\nlistpack"),
            ("LRANGE l 6 7", "*2\n$4\n1006\n$4\n1007"),
        ],
    );
}

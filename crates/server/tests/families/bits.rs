//! Bitmaps and HyperLogLog.

use super::check;
use stillpoint_server::TestClient;

#[test]
fn bits_are_set_found_and_counted() {
    let mut client = TestClient::new();
    check(
        &mut client,
        &[
            ("SETBIT b 7 1", ":0"),
            ("SETBIT b 7 1", ":1"),
            ("SETBIT b 20 1", ":0"),
            ("STRLEN b", ":3"),
            ("GETBIT b 20", ":1"),
            ("GETBIT b 100", ":0"),
            ("BITCOUNT b", ":2"),
            ("BITCOUNT b 8 20 BIT", ":1"),
            ("BITCOUNT b 1", ":1"),
            ("BITCOUNT b -1", ":1"),
            ("BITCOUNT b -1000", ":2"),
            ("BITCOUNT b 1000", ":0"),
            ("BITCOUNT b x", "-ERR value is not an integer or out of range"),
            ("BITPOS b 1", ":7"),
            ("BITPOS b 1 1", ":20"),
            ("BITPOS b 0 0 0 BIT", ":0"),
            ("SETBIT b 4294967296 1", "-ERR bit offset is not an integer or out of range"),
            ("SETBIT b 1 2", "-ERR bit is not an integer or out of range"),
            ("BITOP NOT n b", ":3"),
            ("BITOP XOR x b n", ":3"),
            ("BITCOUNT x", ":24"),
            ("BITPOS x 0", ":24"),
            ("BITPOS x 0 0 -1", ":-1"),
            ("BITOP AND x b nothing", ":3"),
            ("BITCOUNT x", ":0"),
            ("BITOP OR x nothing", ":0"),
            ("EXISTS x", ":0"),
            ("OBJECT ENCODING b", "$3\nraw"),
        ],
    );
}

#[test]
fn fields_overflow_as_they_are_told() {
    let mut client = TestClient::new();
    check(
        &mut client,
        &[
            ("BITFIELD f SET u8 0 255 GET u8 0 GET i8 0", "*3\n:0\n:255\n:-1"),
            ("BITFIELD f INCRBY u8 0 10", "*1\n:9"),
            (
                "BITFIELD f OVERFLOW SAT INCRBY u8 0 300 OVERFLOW FAIL INCRBY u8 0 1",
                "*2\n:255\n$-1",
            ),
            ("BITFIELD f OVERFLOW FAIL SET i64 #3 -5 GET i64 192", "*2\n:0\n:-5"),
            ("STRLEN f", ":32"),
            ("BITFIELD_RO f GET u4 4", "*1\n:15"),
            ("BITFIELD_RO f SET u4 4 1", "-ERR BITFIELD_RO only supports the GET subcommand"),
            ("BITFIELD nothing GET u4 4", "*1\n:0"),
            ("EXISTS nothing", ":0"),
        ],
    );
}

#[test]
fn unions_of_hyperloglogs_are_estimated() {
    let mut client = TestClient::new();
    for i in 0..2000 {
        let to = if i % 2 == 0 { "even" } else { "odd" };
        client.run(&["PFADD", to, &i.to_string()]);
    }
    let estimate = |reply: String| reply[1..].trim_end().parse::<i64>().unwrap();
    let both = estimate(client.run(&["PFCOUNT", "even", "odd"]));
    assert!((1900..2100).contains(&both), "{both}");
    check(&mut client, &[("PFMERGE all even odd", "+OK")]);
    assert_eq!(estimate(client.run(&["PFCOUNT", "all"])), both);
    // The count is kept in the string, and once more it is only read.
    let kept = client.run(&["GETRANGE", "all", "8", "15"]);
    assert_eq!(estimate(client.run(&["PFCOUNT", "all"])), both);
    assert_eq!(client.run(&["GETRANGE", "all", "8", "15"]), kept);
    check(
        &mut client,
        &[
            ("PFADD few a b", ":1"),
            ("PFADD few a", ":0"),
            ("PFDEBUG ENCODING few", "+sparse"),
            ("PFDEBUG TODENSE few", ":1"),
            ("STRLEN few", ":12304"),
            ("PFCOUNT few nothing", ":2"),
            ("PFSELFTEST", "+OK"),
            ("SET s x", "+OK"),
            ("PFADD s a", "-WRONGTYPE Key is not a valid HyperLogLog string value."),
        ],
    );
}

//! Parser and inline splitter, by example.

use super::inline::split_inline;
use super::*;

const LIMITS: ParseLimits = ParseLimits { max_bulk_bytes: 512 << 20, unauthenticated: false };

fn words(parser: &Parser, bytes: &[u8]) -> Vec<Vec<u8>> {
    parser.args(bytes).iter_from(0).map(<[u8]>::to_vec).collect()
}

#[test]
fn finds_a_request_that_arrives_byte_by_byte() {
    let bytes = b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$12\r\nhello\r\nworld\r\n";
    let mut parser = Parser::default();
    for end in 0..bytes.len() {
        let parsed = parser.parse(&bytes[..end], LIMITS).unwrap();
        assert!(matches!(parsed, Parsed::Incomplete(_)), "whole at {end}");
    }
    assert_eq!(parser.parse(bytes, LIMITS), Ok(Parsed::Request));
    assert_eq!(words(&parser, bytes), [&b"SET"[..], b"", b"hello\r\nworld"]);
    assert_eq!(parser.consumed(), bytes.len());
}

#[test]
fn says_what_is_wrong_as_redis_does() {
    let cases: &[(&[u8], &str)] = &[
        (b"*3\r\n+abc\r\n", "expected '$', got '+'"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*3000000000\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$blabla\r\n", "invalid bulk length"),
        (b"*1\r\n$ 1\r\n", "invalid bulk length"),
        (b"*1\r\n*1\r\n", "expected '$', got '*'"),
        (b"set \"a\r\n", "unbalanced quotes in request"),
    ];
    for (bytes, text) in cases {
        let error = Parser::default().parse(bytes, LIMITS).unwrap_err();
        assert_eq!(error.to_string(), *text, "{}", String::from_utf8_lossy(bytes));
    }
    for (first, text) in [
        (&b"*"[..], "too big mbulk count string"),
        (b"*1\r\n$", "too big bulk count string"),
        (b"x", "too big inline request"),
    ] {
        let mut bytes = first.to_vec();
        bytes.resize(first.len() + 65_536, b'1');
        let error = Parser::default().parse(&bytes, LIMITS).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn skips_empty_requests() {
    for bytes in [&b"\r\n"[..], b"\n", b"   \r\n", b"*0\r\n", b"*-1\r\n"] {
        let mut parser = Parser::default();
        assert_eq!(parser.parse(bytes, LIMITS), Ok(Parsed::Empty));
        assert_eq!(parser.consumed(), bytes.len());
    }
}

#[test]
fn splits_inline_requests_with_quotes() {
    let split = |text: &[u8]| {
        let (mut out, mut ranges) = (Vec::new(), Vec::new());
        split_inline(text, &mut out, &mut ranges).ok()?;
        let args = Args::new(&out, &ranges);
        Some(args.iter_from(0).map(<[u8]>::to_vec).collect::<Vec<_>>())
    };
    assert_eq!(split(b" a  b\t'' ").unwrap(), [&b"a"[..], b"b", b""]);
    assert_eq!(split(br#""\x41\n\q" 'it\'s' a"b c""#).unwrap(), [&b"A\nq"[..], b"it's", b"ab c"]);
    assert_eq!(split(b"\"a\"b"), None);
    assert_eq!(split(b"'a"), None);
}

#[test]
fn unauthenticated_clients_may_send_little() {
    let limits = ParseLimits { unauthenticated: true, ..LIMITS };
    let count = Parser::default().parse(b"*11\r\n", limits).unwrap_err();
    assert_eq!(count.to_string(), "unauthenticated multibulk length");
    let bulk = Parser::default().parse(b"*1\r\n$16385\r\n", limits).unwrap_err();
    assert_eq!(bulk.to_string(), "unauthenticated bulk length");
}

#[test]
fn a_declared_length_allocates_nothing() {
    let mut parser = Parser::default();
    let parsed = parser.parse(b"*2147483647\r\n$500000000\r\nabc", LIMITS).unwrap();
    assert_eq!(parsed, Parsed::Incomplete(500_000_002 - 3));
    assert_eq!(parser.args(b"").len(), 0);
}

#[test]
fn replies_differ_by_protocol() {
    let write = |protocol| {
        let mut out = {
            let mut r = Reply::default();
            r.set_protocol(protocol);
            r
        };
        out.map(1);
        out.null();
        out.boolean(true);
        out.double(0.1);
        out.verbatim("txt", "hi");
        out.set(0);
        out.push(0);
        out.null_array();
        out.as_bytes().to_vec()
    };
    assert_eq!(
        write(Protocol::Resp2),
        b"*2\r\n$-1\r\n:1\r\n$3\r\n0.1\r\n$2\r\nhi\r\n*0\r\n*0\r\n*-1\r\n"
    );
    assert_eq!(
        write(Protocol::Resp3),
        b"%1\r\n_\r\n#t\r\n,0.1\r\n=6\r\ntxt:hi\r\n~0\r\n>0\r\n_\r\n"
    );
}

#[test]
fn integers_of_every_length() {
    let mut out = Reply::default();
    for n in [0, 1, 9, 10, 99, 100, -1, i64::MIN, i64::MAX] {
        out.integer(n);
    }
    let text = ":0\r\n:1\r\n:9\r\n:10\r\n:99\r\n:100\r\n:-1\r\n:-9223372036854775808\r\n:9223372036854775807\r\n";
    assert_eq!(out.as_bytes(), text.as_bytes());
}

#[test]
fn doubles_are_laid_out_as_in_redis() {
    let texts = [
        (0.1, "0.1"),
        (-0.0, "-0"),
        (3.0, "3"),
        (1e17, "100000000000000000"),
        (-4e18, "-4000000000000000000"),
        (1e19, "1e+19"),
        (1.5e300, "1.5e+300"),
        (123.456, "123.456"),
        (-0.00001, "-0.00001"),
        (1e-7, "1e-7"),
        (0.001_234_567_89, "0.00123456789"),
        (1.234_567_89e-5, "1.23456789e-5"),
        (f64::NEG_INFINITY, "-inf"),
    ];
    for (double, text) in texts {
        assert_eq!(super::reply::format_double(double), text);
    }
}

#[test]
fn a_number_known_last_comes_first() {
    let mut out = Reply::default();
    out.ok();
    let start = out.mark();
    for number in 0..12 {
        out.integer(number);
    }
    out.array_since(start, 12);
    out.ok();
    let expected = "+OK *12 :0 :1 :2 :3 :4 :5 :6 :7 :8 :9 :10 :11 +OK ".replace(' ', "\r\n");
    assert_eq!(String::from_utf8_lossy(out.as_bytes()), expected);
    let start = out.mark();
    out.array_since(start, 0);
    assert_eq!(&out.as_bytes()[expected.len()..], b"*0\r\n");
}

#[test]
fn a_long_reply_gives_its_memory_back_as_it_is_sent() {
    let mut out = Reply::default();
    out.bulk(&vec![b'x'; 16 << 20]);
    while out.len() > 0 {
        assert!(
            out.capacity() <= (2 << 20).max(3 * out.len()),
            "{} for {}",
            out.capacity(),
            out.len()
        );
        out.take_front(100_000.min(out.len()));
    }
    assert!(out.capacity() <= 1 << 20);
}

#[test]
fn a_long_reply_laid_into_pages_is_sent_as_it_was_written() {
    let mut reply = Reply::streaming(Room { bytes: 64 * 1024, rows: 1024 });
    for number in 0..300_000 {
        reply.integer(number);
    }
    reply.take_front(1000);
    let (wanted, held) = (reply.as_bytes().to_vec(), reply.len());
    reply.lay_into_pages();
    assert!(reply.holds_values() && reply.len() >= held && reply.capacity() == 0);
    reply.simple("behind it");
    let (mut sent, mut longest, mut before) = (Vec::new(), 0, usize::MAX);
    loop {
        let front = reply.front(&mut 1);
        if front.is_empty() {
            break;
        }
        let n = front.len().min(10_000);
        longest = longest.max(front.len());
        sent.extend_from_slice(&front[..n]);
        reply.take_front(n);
        assert!(reply.len() < before, "what has been sent is let go");
        before = reply.len();
    }
    assert_eq!(sent, [&wanted, &b"+behind it\r\n"[..]].concat());
    assert!(longest <= 128 * 1024 && reply.len() == 0 && !reply.holds_values());
}

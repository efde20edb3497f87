//! Malformed and mutated requests against a session: never a panic, never an ill-formed reply, never much memory, and
//! the same replies however the bytes are cut into packets.
//!
//! Runs for `STILLPOINT_FUZZ_SECONDS` (2) from the seed `STILLPOINT_FUZZ_SEED` (chosen at random, and printed).

use std::time::{Duration, Instant};
use stillpoint_server::TestClient;

/// Requests to start from; most of them answer alike on every server with the same history.
const SEEDS: &[&[u8]] = &[
    b"PING\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n",
    b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
    b"*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n5\r\n$2\r\nPX\r\n$5\r\n10000\r\n",
    b"*6\r\n$4\r\nHSET\r\n$1\r\nh\r\n$1\r\nf\r\n$1\r\nv\r\n$1\r\ng\r\n$1\r\nw\r\n",
    b"*2\r\n$7\r\nHGETALL\r\n$1\r\nh\r\n",
    b"*3\r\n$6\r\nINCRBY\r\n$1\r\nk\r\n$2\r\n-7\r\n",
    b"*4\r\n$8\r\nSETRANGE\r\n$1\r\nk\r\n$2\r\n10\r\n$3\r\nabc\r\n",
    b"*4\r\n$8\r\nGETRANGE\r\n$1\r\nk\r\n$1\r\n0\r\n$2\r\n-1\r\n",
    b"*4\r\n$3\r\nLCS\r\n$1\r\nk\r\n$1\r\nm\r\n$3\r\nIDX\r\n",
    b"*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n",
    b"MULTI\r\nSET k 1\r\nINCR k\r\nEXEC\r\n",
    b"WATCH k\r\nMULTI\r\nDISCARD\r\n",
    b"SNAPSHOT BEGIN\r\nGET k\r\nSNAPSHOT END\r\n",
    b"*4\r\n$4\r\nSCAN\r\n$1\r\n0\r\n$5\r\nMATCH\r\n$4\r\n*[a-\r\n",
    b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$4\r\nmax*\r\n",
    b"set \"a b\" 'c\\'d'\r\nget \"\\x61 b\"\r\n",
    b"HELLO 3\r\nHGETALL h\r\nHELLO 2\r\n",
    b"COMMAND DOCS get\r\nCOMMAND GETKEYS mset a b\r\n",
    b"EXPIRE k 100\r\nOBJECT ENCODING k\r\nCOPY k c\r\nRENAME c d\r\nDEL d\r\n",
    b"\r\n\n*0\r\n*-1\r\n",
    b"RPUSH l a b c\r\nLINSERT l BEFORE b x\r\nLRANGE l 0 -1\r\nLMOVE l m LEFT RIGHT\r\nLPOS l b RANK -1\r\nLTRIM l 1 1\r\n",
    b"SADD s 1 2 x\r\nSINTERCARD 2 s t LIMIT 1\r\nSMISMEMBER s 1 9\r\nSDIFFSTORE t s u\r\n",
    b"ZADD z NX 1 a 2 b\r\nZRANGE z (1 +inf BYSCORE LIMIT 0 5 WITHSCORES\r\nZUNION 2 z y WEIGHTS 2 3 AGGREGATE MAX\r\n",
    b"ZADD z 3 c\r\nZRANGESTORE y z [a [c BYLEX REV\r\nZMPOP 1 z MIN COUNT 2\r\nZINCRBY z 1e300 a\r\n",
    b"XADD x 1-1 f v\r\nXGROUP CREATE x g 0\r\nXREADGROUP GROUP g c COUNT 1 STREAMS x >\r\nXRANGE x - +\r\nXTRIM x MAXLEN ~ 1\r\n",
    b"GEOADD p 13.3 38.1 a 15.0 37.5 b\r\nGEOSEARCH p FROMMEMBER a BYRADIUS 200 km ASC WITHCOORD\r\n",
    b"GEOSEARCH p BYPOLYGON 3 12 36 16 36 14 39 WITHDIST DESC COUNT 1\r\nXAUTOCLAIM x g d 0 0 COUNT 5\r\nXPENDING x g - + 9\r\n",
    b"SETBIT k 7 1\r\nBITFIELD k OVERFLOW SAT INCRBY u8 0 300 GET i5 #1\r\nBITPOS k 1 0 -1 BIT\r\nBITOP NOT d k\r\n",
    b"PFADD q a b c\r\nPFMERGE r q\r\nPFCOUNT q r\r\n",
    b"EVAL \"return {KEYS[1],ARGV[1],redis.call('incr',KEYS[1])}\" 1 n v\r\nSCRIPT EXISTS 0\r\n",
    b"FUNCTION LOAD \"#!lua name=f\\nredis.register_function('g',function(k,a) return a end)\"\r\nFCALL g 0 x\r\n",
    b"HEXPIRE h 100 FIELDS 1 f\r\nHPERSIST h FIELDS 1 f\r\nHGETDEL h FIELDS 1 g\r\n",
    b"BEGIN SERIALIZABLE\r\nINCR k\r\nCOMMIT\r\nBEGIN\r\nROLLBACK\r\nGETV k\r\n",
    b"SORT l BY w_* GET # GET v_* LIMIT 0 2 ALPHA DESC STORE d\r\nDUMP k\r\nRESTORE r 0 abc\r\n",
    b"ACL SETUSER u on >p ~a* %R~b* +@read -get +config|get (+set ~c*)\r\nACL GETUSER u\r\nACL DRYRUN u get b\r\nAUTH u p\r\nset k v\r\n",
    b"SUBSCRIBE a b\r\nPSUBSCRIBE c*\r\nUNSUBSCRIBE\r\nSSUBSCRIBE s\r\nPUBLISH a m\r\nRESET\r\n",
    b"PING\r\nCLIENT TRACKING ON BCAST PREFIX a\r\nCLIENT NO-EVICT ON\r\n",
];

/// Commands whose answer differs from server to server: by the order of keys, by the time, by chance.
const VARYING: &[&[u8]] = &[
    b"scan", b"keys", b"rand", b"time", b"info", b"role", b"stat", b"log", b"latency", b"debug",
    b"pop", b"acl", b"client", b"getv", b"setv",
];

/// Pieces that parsers stumble over.
const NASTY: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"*",
    b"$",
    b"*-1\r\n",
    b"$-1\r\n",
    b"$0\r\n\r\n",
    b"*2147483647\r\n",
    b"*1048577\r\n",
    b"$536870912\r\n",
    b"$1073741824\r\n",
    b"$9223372036854775807\r\n",
    b"*3000000000\r\n",
    b"$18446744073709551616\r\n",
    b"-9223372036854775808",
    b"\0",
    b"\xff\xfe",
    b"\"",
    b"'",
    b"\\x",
    b"+OK\r\n",
    b"*1\r\n*1\r\n",
    b"$00000000000000000001\r\na\r\n",
    b"1e309",
    b"nan",
    b"%d%s%n",
];

/// xorshift64*: reproducible from its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    match random.below(7) {
        0 if at < bytes.len() => bytes[at] = random.next() as u8,
        1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        2 => drop(bytes.splice(at..at, NASTY[random.below(NASTY.len())].iter().copied())),
        3 => {
            let end = (at + random.below(12)).min(bytes.len());
            bytes.drain(at..end);
        }
        4 => {
            let end = (at + random.below(40)).min(bytes.len());
            let copy = bytes[at..end].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        5 => bytes.truncate(at.max(1)),
        _ => drop(bytes.splice(at..at, SEEDS[random.below(SEEDS.len())].iter().copied())),
    }
}

/// The length of one whole reply at the start of `bytes`, if it is well formed.
fn reply_len(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(2).position(|w| w == b"\r\n")? + 2;
    let text = std::str::from_utf8(&bytes[1..end - 2]).ok();
    let number = || text?.parse::<i64>().ok();
    match bytes[0] {
        b'+' | b'-' | b':' | b',' | b'#' | b'_' | b'(' => Some(end),
        b'$' | b'=' => match number()? {
            -1 => Some(end),
            n => {
                let whole = end + usize::try_from(n).ok()? + 2;
                (bytes.get(whole - 2..whole)? == b"\r\n").then_some(whole)
            }
        },
        b'*' | b'~' | b'>' | b'%' => {
            let pairs = if bytes[0] == b'%' { 2 } else { 1 };
            let mut at = end;
            for _ in 0..number()?.max(0) * pairs {
                at += reply_len(bytes.get(at..)?)?;
            }
            Some(at)
        }
        _ => None,
    }
}

fn assert_well_formed(input: &[u8], replies: &[u8]) {
    let mut at = 0;
    while at < replies.len() {
        match reply_len(&replies[at..]) {
            Some(len) => at += len,
            None => panic!(
                "ill-formed reply at {at} of {:?}\nto {:?}",
                String::from_utf8_lossy(replies),
                String::from_utf8_lossy(input)
            ),
        }
    }
}

fn resident_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 4096 / (1 << 20)
}

#[test]
fn mutated_requests_do_no_harm() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("STILLPOINT_FUZZ_SECONDS").unwrap_or(2);
    let seed = number("STILLPOINT_FUZZ_SEED").unwrap_or_else(|| {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        since.as_nanos() as u64 | 1
    });
    println!("STILLPOINT_FUZZ_SEED={seed}");
    let mut random = Random(seed.max(1));
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut whole = TestClient::new();
    let mut pieces = TestClient::new();
    let (mut rounds, mut bytes) = (0u64, 0u64);
    while Instant::now() < deadline {
        let mut input = SEEDS[random.below(SEEDS.len())].to_vec();
        for _ in 0..=random.below(6) {
            mutate(&mut input, &mut random);
        }
        // A connection of its own for each input; the data of earlier ones stay.
        (whole, pieces) = (whole.another(), pieces.another());
        let expected = whole.send(&input);
        assert_well_formed(&input, &expected);
        let mut got = Vec::new();
        let mut rest = &input[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + random.below(rest.len().min(9)));
            got.extend(pieces.send(piece));
            rest = after;
        }
        let has = |word: &&[u8]| input.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
        let comparable = !VARYING.iter().any(has);
        assert!(
            !comparable || got == expected && whole.is_closed() == pieces.is_closed(),
            "cut into pieces {:?}\nis answered {:?}\ninstead of {:?}",
            String::from_utf8_lossy(&input),
            String::from_utf8_lossy(&got),
            String::from_utf8_lossy(&expected)
        );
        rounds += 1;
        bytes += input.len() as u64;
        if rounds.is_multiple_of(2000) {
            (whole, pieces) = (TestClient::new(), TestClient::new());
            assert!(resident_mib() < 1024, "{} MiB after {rounds} rounds", resident_mib());
        }
    }
    println!("{rounds} inputs, {bytes} bytes, {} MiB", resident_mib());
}

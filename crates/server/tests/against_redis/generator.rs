//! Random commands: templates filled from small pools, so that keys, types and options meet often; some of them wrong.
//!
//! | letter | what it stands for |
//! |---|---|
//! | Z | a key of which all members have one score |
//! | O U | a longitude, a latitude |
//! | Q R X | a score; a bound of scores; of members |
//! | K F P E | key, field, pattern, member: a field or a number |
//! | V | a value: numbers, texts, bytes |
//! | I J N | an integer, right or wrong; one that is no near time; a small one |
//! | L | a floating-point number, right or wrong |
//! | S M A B | a far time: seconds, milliseconds, Unix seconds, Unix milliseconds |
//! | D | a database |
//! | T | a timeout that is wrong |
//! | @script @library @name @function | a script, a library of functions, its name, a function's |
//! | Y @id @bound G C | a stream's key, an id, a bound of ids, a group, a consumer |
//!
//! A letter with `*` behind it is repeated up to three times; `~name` draws options of that name.
//! No time is near, so that nothing expires between two replies; what is past is wanted.

use crate::more::{FURTHER, LIBRARIES, NEWER, SCRIPTS};

/// A command with its arguments.
pub(crate) type Request = Vec<Vec<u8>>;

/// The request as one would type it.
pub(crate) fn show(request: &Request) -> String {
    let words: Vec<String> = request
        .iter()
        .map(|word| match word.len() {
            0..=100 => format!("\"{}\"", word.escape_ascii()),
            len => format!("({len} bytes)"),
        })
        .collect();
    words.join(" ")
}

/// How often, template.
const TEMPLATES: &[(u32, &str)] = &[
    (3, "acl setuser acl:u ~acl"),
    (1, "acl setuser acl:u ~acl ~acl"),
    // Redis 7.0 begins anew at a bracket within brackets.
    (1, "acl setuser acl:u ~acl (+get"),
    (1, "acl deluser acl:u acl:v"),
    (2, "acl dryrun acl:u get K"),
    (1, "acl dryrun acl:u set K V ~set"),
    (1, "acl dryrun acl:u mget K K"),
    (1, "acl dryrun acl:u exists K"),
    (1, "acl dryrun acl:u copy K K"),
    (1, "acl dryrun acl:u sunionstore K K K"),
    (1, "acl dryrun acl:u zunionstore K 2 K K"),
    (1, "acl dryrun acl:u lmove K K left right"),
    (1, "acl dryrun acl:u sort K get x store K"),
    (1, "acl dryrun acl:u georadius K 1 1 1 m store K"),
    (1, "acl dryrun acl:u bitfield K ~bitfieldacl"),
    (1, "acl dryrun acl:u xread count 1 streams K K 0 0"),
    (1, "acl dryrun acl:u eval return 1 K K"),
    (1, "acl dryrun acl:u publish K V"),
    (1, "acl dryrun acl:u psubscribe K"),
    (1, "acl dryrun acl:u config get K"),
    (1, "acl dryrun acl:u select D"),
    (1, "acl dryrun acl:u nothing K"),
    (8, "set K V"),
    (12, "set K V ~set"),
    (6, "get K"),
    (3, "getset K V"),
    (2, "getdel K"),
    (4, "getex K ~getex"),
    (3, "setnx K V"),
    (2, "setex K S V"),
    (1, "setex K J V"),
    (2, "psetex K M V"),
    (1, "psetex K J V"),
    (3, "mget K K*"),
    (3, "mset K V K V"),
    (2, "msetnx K V K V"),
    (2, "strlen K"),
    (6, "append K V"),
    (4, "setrange K N V"),
    (1, "setrange K I V"),
    (4, "getrange K N N"),
    (1, "getrange K I I"),
    (1, "substr K N N"),
    (4, "incr K"),
    (2, "decr K"),
    (4, "incrby K I"),
    (2, "decrby K I"),
    (6, "incrbyfloat K L"),
    (4, "lcs K K ~lcs"),
    (6, "del K K*"),
    (2, "unlink K K*"),
    (2, "exists K K*"),
    (1, "touch K K*"),
    (2, "type K"),
    (3, "expire K S ~expire"),
    (2, "expire K J ~expire"),
    (2, "pexpire K M ~expire"),
    (1, "pexpire K J ~expire"),
    (2, "expireat K A ~expire"),
    (1, "expireat K J ~expire"),
    (2, "pexpireat K B ~expire"),
    (2, "ttl K"),
    (2, "pttl K"),
    (1, "expiretime K"),
    (1, "pexpiretime K"),
    (3, "persist K"),
    (1, "swapdb D D"),
    (1, "wait 0 0"),
    (1, "wait 0 T"),
    (4, "rename K K"),
    (3, "renamenx K K"),
    (6, "copy K K ~copy"),
    (3, "move K D"),
    (2, "scan 0 COUNT 100000 ~scan"),
    (2, "keys P"),
    (1, "randomkey"),
    (4, "object encoding K"),
    (1, "object refcount K"),
    (1, "object nothing K"),
    (1, "dbsize"),
    (2, "select D"),
    (10, "hset K F V F V"),
    (6, "hset K F V"),
    (2, "hset K F V F"),
    (2, "hmset K F V F V F V"),
    (3, "hsetnx K F V"),
    (4, "hget K F"),
    (3, "hmget K F F*"),
    (3, "hgetall K"),
    (2, "hkeys K"),
    (2, "hvals K"),
    (5, "hdel K F F*"),
    (2, "hexists K F"),
    (2, "hlen K"),
    (2, "hstrlen K F"),
    (4, "hincrby K F I"),
    (5, "hincrbyfloat K F L"),
    (3, "hrandfield K ~hrandfield"),
    (4, "setbit K N 1"),
    (2, "setbit K N 0"),
    (1, "setbit K I 2"),
    (3, "getbit K N"),
    (2, "bitcount K"),
    (3, "bitcount K N N ~unit"),
    (2, "bitpos K 0"),
    (2, "bitpos K 1"),
    (2, "bitpos K 0 N"),
    (2, "bitpos K 0 N N ~unit"),
    (2, "bitpos K 1 N N ~unit"),
    (2, "bitop and K K K*"),
    (2, "bitop or K K K*"),
    (2, "bitop xor K K K*"),
    (2, "bitop not K K"),
    (8, "bitfield K ~bitfield"),
    (3, "bitfield_ro K ~bitfield"),
    (8, "pfadd K V V*"),
    (5, "pfcount K K*"),
    (3, "pfmerge K K*"),
    (2, "pfdebug decode K"),
    (2, "pfdebug encoding K"),
    (3, "hscan K 0 COUNT 100000 ~hscan"),
    (8, "sadd K E E*"),
    (6, "sadd K I E*"),
    (4, "srem K E E*"),
    (3, "smove K K E"),
    (2, "spop K 0"),
    (2, "spop K 1000"),
    (1, "spop K J"),
    (2, "srandmember K"),
    (3, "srandmember K N"),
    (1, "srandmember K J"),
    (2, "scard K"),
    (3, "sismember K E"),
    (2, "smismember K E E*"),
    (3, "smembers K"),
    (2, "sscan K 0 COUNT 100000 ~hscan"),
    (3, "sinter K K*"),
    (3, "sunion K K*"),
    (3, "sdiff K K*"),
    (3, "sinterstore K K K*"),
    (3, "sunionstore K K K*"),
    (3, "sdiffstore K K K*"),
    (4, "sintercard 2 K K ~sintercard"),
    (1, "sintercard J K K"),
    (7, "lpush K E E*"),
    (8, "rpush K E E*"),
    (1, "lpushx K E"),
    (2, "rpushx K E E"),
    (3, "lpop K ~pop"),
    (3, "rpop K ~pop"),
    (2, "lmpop ~lmpop"),
    (2, "llen K"),
    (4, "lrange K N N"),
    (1, "lrange K I I"),
    (3, "lindex K N"),
    (1, "lindex K I"),
    (3, "lset K N E"),
    (3, "linsert K ~side E E"),
    (3, "lrem K N E"),
    (2, "ltrim K N N"),
    (4, "lpos K E ~lpos"),
    (4, "lmove K K ~end ~end"),
    (2, "rpoplpush K K"),
    (2, "blpop K K* 0.001"),
    (1, "brpop K 0.001"),
    (2, "blmove K K ~end ~end 0.001"),
    (1, "brpoplpush K K 0.001"),
    (2, "blmpop 0.001 ~lmpop"),
    (1, "blpop K T"),
    (10, "zadd K ~zadd Q E"),
    (8, "zadd K Q E Q E Q E"),
    (3, "zadd K ~zadd L E Q"),
    (5, "zincrby K Q E"),
    (4, "zrem K E E*"),
    (2, "zcard K"),
    (3, "zscore K E"),
    (2, "zmscore K E E*"),
    (3, "zrank K E"),
    (3, "zrevrank K E"),
    (2, "zrandmember K"),
    (3, "zrandmember K ~zrandmember"),
    (2, "zscan K 0 COUNT 100000 ~hscan"),
    (3, "zcount K R R"),
    (4, "zrange K N N ~zrange"),
    (4, "zrange K R R BYSCORE ~zrange"),
    (3, "zrangestore K K N N ~zrange"),
    (3, "zrangestore K K R R BYSCORE ~zrange"),
    (3, "zrangebyscore K R R ~zrange"),
    (3, "zrevrangebyscore K R R ~zrange"),
    (3, "zrevrange K N N ~zrange"),
    (1, "zrange K I I"),
    (2, "zremrangebyrank K N N"),
    (2, "zremrangebyscore K R R"),
    (3, "zpopmin K"),
    (3, "zpopmax K ~count"),
    (3, "zmpop 2 K K ~zmpop"),
    (2, "bzpopmin K K 0.001"),
    (1, "bzpopmax K T"),
    (2, "bzmpop 0.001 2 K K ~zmpop"),
    (3, "zunion 2 K K ~zunion"),
    (3, "zinter 2 K K ~zunion"),
    (3, "zdiff 2 K K ~zunion"),
    (3, "zintercard 2 K K ~sintercard"),
    (3, "zunionstore K 2 K K ~zunion"),
    (3, "zinterstore K 2 K K ~zunion"),
    (3, "zdiffstore K 2 K K ~zunion"),
    (1, "zunion J K K"),
    (3, "sort K ~sort"),
    (3, "sort K ALPHA ~sort"),
    (1, "sort_ro K ~sort"),
    (2, "sort_ro K BY * ~sort"),
    (1, "sort_ro K BY none ~sort"),
    (8, "geoadd K O U E O U E"),
    (3, "geoadd K ~zadd O U E"),
    (2, "geopos K E E"),
    (2, "geohash K E E"),
    (3, "geodist K E E"),
    (4, "geosearch K FROMLONLAT O U ~area ~geo"),
    (3, "geosearch K FROMMEMBER E ~area ~geo"),
    (2, "geosearchstore K K FROMLONLAT O U ~area"),
    (2, "georadius K O U 5000 km ~geo"),
    (1, "georadiusbymember K E 5000 km ~geo"),
    (10, "zadd Z 0 E 0 V 0 E"),
    (3, "zrem Z E E*"),
    (3, "zrange Z X X BYLEX ~zrange"),
    (3, "zrangebylex Z X X ~zrange"),
    (3, "zrevrangebylex Z X X ~zrange"),
    (2, "zlexcount Z X X"),
    (1, "zremrangebylex Z X X"),
    (2, "zrangestore K Z X X BYLEX ~zrange"),
    (8, "xadd Y ~xadd @id F E"),
    (3, "xadd Y ~xadd @open F E F E"),
    (1, "xadd Y ~xadd x F E"),
    (1, "xadd Y @id F"),
    (2, "xlen Y"),
    (3, "xrange Y @bound @bound ~xrange"),
    (3, "xrevrange Y @bound @bound ~xrange"),
    (3, "xdel Y @id @id*"),
    (2, "xtrim Y ~xtrim"),
    (1, "xsetid Y @id"),
    (1, "del Y"),
    (2, "xread COUNT N STREAMS Y @id"),
    (2, "xread STREAMS Y Y @id $"),
    (1, "xread BLOCK 1 STREAMS Y $"),
    (1, "xread STREAMS Y >"),
    (3, "xgroup CREATE Y G @id MKSTREAM"),
    (1, "xgroup CREATE Y G $"),
    (1, "xgroup SETID Y G @id"),
    (1, "xgroup DESTROY Y G"),
    (1, "xgroup CREATECONSUMER Y G made"),
    (1, "xgroup DELCONSUMER Y G C"),
    (6, "xreadgroup GROUP G C STREAMS Y >"),
    (3, "xreadgroup GROUP G C COUNT 2 STREAMS Y >"),
    (3, "xreadgroup GROUP G C STREAMS Y @id"),
    (1, "xreadgroup GROUP G C NOACK STREAMS Y >"),
    (1, "xreadgroup GROUP G C STREAMS Y $"),
    (3, "xack Y G @id @id*"),
    (2, "xpending Y G"),
    (2, "xpending Y G @bound @bound 10"),
    (1, "xpending Y G @bound @bound 10 C"),
    (3, "xclaim Y G C 0 @id @id* ~xclaim"),
    (3, "xautoclaim Y G C 0 @bound ~xautoclaim"),
    (6, "multi"),
    (8, "exec"),
    (1, "discard"),
    (4, "watch K K*"),
    (1, "unwatch"),
    (1, "hello 2"),
    (1, "hello 3"),
    (1, "nonsense K F"),
    (4, "eval @script 2 K K V"),
    (1, "eval @script N K V"),
    (1, "eval_ro @script 2 K K V"),
];

const OPTIONS: &[(&str, &[&str])] = &[
    ("~acl", ACL_RULES),
    ("~bitfieldacl", &["get u8 0", "set u8 0 1", "overflow wrap", "nothing"]),
    ("~set", &["EX S", "PX M", "EXAT A", "PXAT B", "NX", "XX", "GET", "KEEPTTL", "EX J", "PX"]),
    ("~getex", &["EX S", "PX M", "EXAT A", "PXAT B", "PERSIST", "EX J", "PXAT J"]),
    ("~expire", &["NX", "XX", "GT", "LT", "nx", "soon"]),
    ("~copy", &["REPLACE", "REPLACE", "DB D", "DB"]),
    ("~lcs", &["LEN", "IDX", "MINMATCHLEN N", "WITHMATCHLEN", "MINMATCHLEN"]),
    (
        "~scan",
        &["MATCH P", "TYPE string", "TYPE hash", "TYPE set", "TYPE zset", "COUNT 0", "MATCH"],
    ),
    ("~hscan", &["MATCH P", "COUNT J", "MATCH", "TYPE hash"]),
    ("~sintercard", &["LIMIT N", "LIMIT", "LIMIT J", "K"]),
    ("~xadd", &["NOMKSTREAM", "MAXLEN 5", "MAXLEN = 3", "MINID 3-0", "LIMIT 1", "MAXLEN -1"]),
    ("~xrange", &["COUNT N", "COUNT x", "COUNT"]),
    ("~xtrim", &["MAXLEN 4", "MINID @id", "MAXLEN 2", "LIMIT 3", "MAXLEN"]),
    ("~xclaim", &["FORCE", "JUSTID", "RETRYCOUNT 3", "LASTID @id", "IDLE x", "what"]),
    ("~xautoclaim", &["COUNT 1", "JUSTID", "COUNT 0", "what"]),
    ("~pop", &["N", "J"]),
    (
        "~lmpop",
        &[
            "1 K LEFT",
            "2 K K RIGHT",
            "1 K left COUNT N",
            "3 K K K RIGHT COUNT 2",
            "2 K LEFT",
            "0 K LEFT",
        ],
    ),
    ("~lpos", &["RANK N", "COUNT N", "MAXLEN N", "RANK x", "RANK"]),
    ("~zadd", &["NX", "XX", "GT", "LT", "CH", "INCR"]),
    ("~zrange", &["WITHSCORES", "LIMIT N N", "LIMIT 1 2", "REV", "BYSCORE", "BYLEX", "LIMIT"]),
    ("~zrandmember", &["N", "N WITHSCORES", "WITHSCORES"]),
    ("~count", &["N", "J"]),
    ("~zmpop", &["MIN", "MAX", "MIN COUNT N", "MAX COUNT N", "COUNT 1"]),
    (
        "~zunion",
        &[
            "WITHSCORES",
            "WEIGHTS Q Q",
            "WEIGHTS Q",
            "AGGREGATE min",
            "AGGREGATE MAX",
            "AGGREGATE SUM",
            "AGGREGATE N",
        ],
    ),
    ("~unit", &["BIT", "BYTE", "bit"]),
    (
        "~bitfield",
        &[
            "GET u5 N",
            "GET i64 N",
            "GET i8 #1",
            "SET u8 N I",
            "SET i5 #2 N",
            "INCRBY u3 #3 N",
            "INCRBY i64 N I",
            "INCRBY u63 1 I",
            "OVERFLOW SAT",
            "OVERFLOW WRAP",
            "OVERFLOW",
            "GET u64 0",
        ],
    ),
    ("~sort", &["DESC", "ASC", "LIMIT N N", "GET *", "GET #", "STORE K", "ALPHA"]),
    ("~by", &["DESC", "LIMIT N N", "GET #", "GET key:*", "GET *->g", "STORE K"]),
    ("~get", &["GET #", "GET key:*", "GET *->field:1", "LIMIT N N", "DESC"]),
    ("~limit", &["LIMIT N N", "DESC"]),
    ("~area", &["BYRADIUS 3000 km", "BYBOX 9000 4000 km", "BYRADIUS 19000 mi", "BYBOX N 100 km"]),
    ("~geo", &["ASC", "DESC", "COUNT 2", "WITHDIST", "WITHHASH", "COUNT N", "ANY"]),
    ("~hrandfield", &["N", "N WITHVALUES", "J", "WITHVALUES"]),
];

const ACL_RULES: &[&str] = &[
    "on nopass",
    ">x",
    "<x",
    "+@all",
    "-@all",
    "+@read",
    "+@write -@string",
    "+get +set -exists",
    "+select|0",
    "+config|get -select",
    "+@nothing",
    "allkeys",
    "resetkeys",
    "~a %R~b %W~c",
    "%RW~key:[12]",
    "%R~key:?",
    "%~",
    "&a &key:?",
    "allchannels",
    "resetchannels",
    "(+@all ~[a-d] )",
    "clearselectors",
    "reset",
];
const KEYS: &[&str] = &["a", "b", "c", "d", "key:1", "key:2", "", "h", "i"];
const FIELDS: &[&str] = &[
    "f",
    "g",
    "x",
    "field:1",
    "field:2",
    "1",
    "",
    "n",
    "long long long long long long field name",
];
const PATTERNS: &[&str] =
    &["*", "k*", "key:?", "[a-c]", "[^a]", "*:*", "", "\\a", "[a", "f*", "?", "[b-a]", "*[1]"];
const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "7",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1.5",
    " 1",
    "01",
    "+1",
    "",
    "x",
    "-0",
];
const NOT_NEAR: &[&str] = &[
    "0",
    "-1",
    "-100",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775",
    "x",
    "1.0",
    "",
    "99999999999999999999",
];
const FLOATS: &[&str] = &[
    "1",
    "-1",
    "0.1",
    "3.14159",
    "1e5",
    "1e-5",
    "-0",
    "0",
    "1e17",
    "123456789.123456789",
    "1e300",
    "inf",
    "-inf",
    "nan",
    "x",
    "",
    " 1",
    "1 ",
    "0x10",
    "1e",
    ".5",
    "5.",
    "+2",
    "1e-18",
    "0.30000000000000004",
    "infinity",
    "1e4000",
];
const SCORES: &[&str] = &[
    "0",
    "-0",
    "1",
    "2",
    "2",
    "3",
    "-1",
    "0.5",
    "-2.25",
    "1e3",
    "1048576.125",
    "inf",
    "-inf",
    "7",
    "123456",
    "1e300",
    "nan",
    "x",
    "",
    "0x10",
];
const TEXTS: &[&str] = &[
    "",
    "a",
    "hello",
    "hello world",
    "0",
    "10",
    "-5",
    "3.0",
    "1.10",
    "9223372036854775807",
    "007",
    "\0\u{1}\r\n",
    "exactly forty-four bytes, no more and not less",
    "ohmytext",
    "mynewtext",
    "1e3",
    "nan",
    " 12",
];

/// Whether a word of a template stands for something.
fn is_drawn(word: &str) -> bool {
    word.starts_with('@')
        || word.len() == 1 && word.chars().all(|letter| letter.is_ascii_uppercase())
}

/// The sequence of requests that a seed determines.
pub(crate) struct Generator {
    random: fastrand::Rng,
    templates: Vec<(u32, &'static str)>,
}

impl Generator {
    pub(crate) fn new(seed: u64, has_newer: bool) -> Self {
        let newer = if has_newer { NEWER } else { &[] };
        let templates = TEMPLATES.iter().chain(FURTHER).chain(newer).copied().collect();
        Generator { random: fastrand::Rng::with_seed(seed), templates }
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.random.usize(..bound)
    }

    fn pick<'a>(&mut self, pool: &[&'a str]) -> &'a str {
        pool[self.below(pool.len())]
    }

    pub(crate) fn request(&mut self) -> Request {
        let total: u32 = self.templates.iter().map(|(weight, _)| weight).sum();
        let mut number = self.random.u32(..total);
        let template =
            self.templates.iter().find(|(weight, _)| match number.checked_sub(*weight) {
                Some(rest) => {
                    number = rest;
                    false
                }
                None => true,
            });
        let mut request = Vec::new();
        let words = template.map_or("", |(_, template)| template);
        words.split(' ').for_each(|word| self.word(word, &mut request));
        // Few have an argument too few or too many.
        match self.below(80) {
            // SPOP without a count takes some member.
            0 if request.len() > 1 && request[0] != b"spop" => drop(request.pop()),
            // Newer servers take one more argument of ZRANK.
            1 if !request[0].ends_with(b"rank") => request.push(b"extra".to_vec()),
            _ => {}
        }
        request
    }

    fn word(&mut self, word: &str, request: &mut Request) {
        if let Some((_, pool)) = OPTIONS.iter().find(|(name, _)| *name == word) {
            let count = [0, 0, 0, 1, 1, 1, 1, 2, 2, 3][self.below(10)];
            for _ in 0..count {
                let option = self.pick(pool);
                option.split(' ').for_each(|word| self.word(word, request));
            }
        } else if let Some(letter) = word.strip_suffix('*').filter(|word| is_drawn(word)) {
            for _ in 0..self.below(4) {
                self.word(letter, request);
            }
        } else {
            let filled = self.fill(word);
            request.push(filled);
        }
    }

    fn fill(&mut self, letter: &str) -> Vec<u8> {
        let far = 1_000 + self.random.u64(..1_000_000_000);
        let now = 2_000_000_000;
        match letter {
            "K" => self.pick(KEYS).into(),
            "F" => self.pick(FIELDS).into(),
            "P" => self.pick(PATTERNS).into(),
            "V" => self.value(),
            "I" => self.pick(INTEGERS).into(),
            "J" => self.pick(NOT_NEAR).into(),
            "E" if self.below(12) == 0 => vec![b'e'; self.random.usize(40..300)],
            "O" => self.pick(&["13.361389", "-179.9", "179.99", "0", "15", "200", "-77.03"]).into(),
            "U" => self.pick(&["38.115556", "-85", "85.05", "0", "37", "90", "-12.5"]).into(),
            "Z" => self.pick(&["lex:1", "lex:2"]).into(),
            "Q" if self.below(30) == 0 => self.pick(FLOATS).into(),
            "Q" => self.pick(SCORES).into(),
            "R" if self.below(30) == 0 => self.pick(FLOATS).into(),
            "R" => format!("{}{}", self.pick(&["", "", "("]), self.pick(SCORES)).into(),
            "X" if self.below(3) == 0 => self.pick(&["-", "+", "a", "", "(", "["]).into(),
            "X" => {
                let field = self.pick(FIELDS);
                format!("{}{field}", self.pick(&["(", "["])).into()
            }
            "E" if self.below(3) == 0 => self.random.i32(-9..9).to_string().into(),
            "E" => self.pick(FIELDS).into(),
            "N" => self.random.i32(-12..30).to_string().into(),
            "L" if self.below(3) == 0 => {
                let digits = self.random.i32(-1_000_000..1_000_000);
                format!("{digits}e{}", self.random.i32(-20..12)).into()
            }
            "L" => self.pick(FLOATS).into(),
            "S" => far.to_string().into(),
            "M" => (far + 100_000).to_string().into(),
            "A" => (now + far).to_string().into(),
            "B" => ((now + far) * 1000).to_string().into(),
            "D" => self.pick(&["0", "0", "1", "2", "0", "1", "16", "-1", "x"]).into(),
            "Y" if self.below(10) == 0 => self.pick(KEYS).into(),
            "Y" => self.pick(&["stream:1", "stream:2"]).into(),
            "@id" if self.below(20) == 0 => self.pick(&["0", "0-0", "x", "7", "-", "5-x"]).into(),
            "@id" => format!("{}-{}", self.below(12), self.below(3)).into(),
            "@script" => self.pick(SCRIPTS).into(),
            "@library" => self.pick(LIBRARIES).into(),
            "@name" => self.pick(&["one", "two", "three", "none"]).into(),
            "@function" => self.pick(&["f", "g", "h", "none"]).into(),
            "@bound" => match self.below(4) {
                0 => self.pick(&["-", "+", "(3-1", "(0-0", "(-", "4", "x"]).into(),
                1 => b"-".to_vec(),
                2 => b"+".to_vec(),
                _ => self.fill("@id"),
            },
            "@open" => format!("{}-*", self.below(12)).into(),
            "G" => self.pick(&["g", "h"]).into(),
            "C" => self.pick(&["alice", "bob"]).into(),
            "T" => self.pick(&["-1", "x", "", "nan", "-0.1"]).into(),
            "~end" => self.pick(&["LEFT", "RIGHT", "left", "right", "LEFT", "RIGHT", "UP"]).into(),
            "~side" => self.pick(&["BEFORE", "AFTER", "before", "BEHIND"]).into(),
            word => word.into(),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        match self.below(10) {
            0 => self.random.i64(..).to_string().into(),
            1 => self.random.i32(-100..20_000).to_string().into(),
            2 => (0..self.below(80)).map(|_| b"abcde"[self.below(5)]).collect(),
            3 => self.pick(FLOATS).into(),
            _ => self.pick(TEXTS).into(),
        }
    }
}

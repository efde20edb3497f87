//! The same random commands to this server and to a real `redis-server`: every reply must agree, and what both keep.
//!
//! ```text
//!  generator ─ command ─┬─▶ this server   two connections ─ reply ─┐
//!      (seed)           └─▶ redis-server  two connections ─ reply ─┴─▶ agree?      every 250 commands: all keys agree?
//! ```
//!
//! Runs `STILLPOINT_DIFF_COMMANDS` (6,000) commands from the seed `STILLPOINT_DIFF_SEED` (21; `random` chooses one, and prints it), against the
//! program `STILLPOINT_REDIS` (`redis-server`; a `valkey-server` of version 9 will do, whose differences are in `valkey.rs`). A count and not a time, so that a fast machine checks what a slow one did. Without that program
//! the test says so and checks nothing.

mod agree;
mod generator;
mod more;
mod rival;
mod valkey;
mod wire;

use agree::{agree, sorted};
use generator::{Generator, Request, show};
use rival::Rival;
use std::collections::VecDeque;
use std::time::Instant;
use stillpoint_server::Running;
use wire::{Connection, Reply};

/// Commands between two comparisons of all keys.
const COMPARED_EVERY: u64 = 250;
/// Commands that a failure shows.
const SHOWN: usize = 25;
const DATABASES: [&str; 3] = ["0", "1", "2"];

/// Settings that decide encodings, the same in both.
const SETTINGS: &[(&str, &str)] = &[
    ("hash-max-listpack-entries", "8"),
    ("hash-max-listpack-value", "32"),
    ("hll-sparse-max-bytes", "60"),
    ("set-max-intset-entries", "8"),
    ("list-max-listpack-size", "8"),
    ("zset-max-listpack-entries", "6"),
    ("zset-max-listpack-value", "32"),
];

/// One connection to each server, and what the servers queue for it.
struct Pair {
    ours: Connection,
    theirs: Connection,
    queued: Option<Vec<Request>>,
}

impl Pair {
    fn open(ours: u16, theirs: u16) -> Self {
        Pair { ours: Connection::open(ours), theirs: Connection::open(theirs), queued: None }
    }

    fn both(&mut self, request: &[&str]) -> (Reply, Reply) {
        let request: Request = request.iter().map(|word| word.as_bytes().to_vec()).collect();
        (self.ours.ask(&request), self.theirs.ask(&request))
    }

    /// Leaves to WATCH only keys that exist: one that is absent, comes and goes has changed for Redis, but not here; and no
    /// strings that a SETBIT which sets nothing makes raw: that is a change here. Leaves out an XSETID below what was deleted from
    /// the stream: Redis 7.0 takes that; and a search around a member without a place. Adds one element at a time to a HyperLogLog that is damaged:
    /// of several, Redis keeps those before the one at which it finds out, and here a command that fails has changed nothing.
    fn existing(&mut self, request: Request) -> Request {
        let mut request = valkey::understood(request);
        if request[0] == b"pfadd" && (self.queued.is_some() || self.is_damaged(&request)) {
            request.truncate(3);
        }
        if request[0] == b"xsetid" && (self.queued.is_some() || self.is_below_deleted(&request)) {
            return vec![b"ping".to_vec()];
        }
        let spoils = [&b"multi"[..], b"watch"].iter().any(|w| request[0].eq_ignore_ascii_case(w));
        if spoils && self.queued.is_some() {
            // Newer servers abort a transaction that MULTI or WATCH was said in, this one among them.
            return vec![b"ping".to_vec()];
        }
        let is_getkeys = request[0] == b"command" && request.len() == 3;
        if is_getkeys && self.queued.is_some() && request[1].starts_with(b"getkeys") {
            // Redis 7.0 does not queue one of a command without arguments; newer servers do.
            return vec![b"ping".to_vec()];
        }
        if is_around_member(&request) && (self.queued.is_some() || self.is_nowhere(&request)) {
            return vec![b"ping".to_vec()];
        }
        if !request[0].eq_ignore_ascii_case(b"watch") || self.queued.is_some() {
            return request;
        }
        let mut keys = request.into_iter();
        let name = keys.next().into_iter();
        name.chain(keys.filter(|key| {
            let ask = [b"OBJECT".to_vec(), b"ENCODING".to_vec(), key.clone()];
            !matches!(self.theirs.ask(&ask).text(), b"" | b"int" | b"embstr")
        }))
        .collect()
    }

    /// Whether the key is a HyperLogLog that cannot be counted. Asked for two keys, so that no count is kept in it.
    fn is_damaged(&mut self, request: &Request) -> bool {
        let Some(key) = request.get(1) else { return false };
        let count = self.theirs.ask(&[b"PFCOUNT".to_vec(), key.clone(), key.clone()]);
        count.text().starts_with(b"INVALIDOBJ")
    }

    /// Whether a search is around a member whose score is infinite, which is that of no place. Where it is taken to be, at 180 degrees
    /// east, Redis finds nothing on the other side, and this server does.
    fn is_nowhere(&mut self, request: &Request) -> bool {
        let by_member = request[0].eq_ignore_ascii_case(b"georadiusbymember");
        let (key, member) = (request.get(1), request.get(if by_member { 2 } else { 3 }));
        let (Some(key), Some(member)) = (key, member) else { return false };
        let score = self.theirs.ask(&[b"ZSCORE".to_vec(), key.clone(), member.clone()]);
        matches!(score.text(), b"inf" | b"-inf")
    }

    /// Whether the id of an XSETID is not surely above the highest that was deleted.
    fn is_below_deleted(&mut self, request: &Request) -> bool {
        let [_, key, id, ..] = &request[..] else { return false };
        let info = self.theirs.ask(&[b"XINFO".to_vec(), b"STREAM".to_vec(), key.clone()]);
        let texts = info.texts();
        let at = texts.iter().position(|text| text == b"max-deleted-entry-id");
        at.is_some_and(|at| id_of(id) < id_of(&texts[at + 1]))
    }

    /// Sends a command to both; what differs, if anything.
    fn compare(&mut self, request: &Request) -> Option<String> {
        let (ours, theirs) = (self.ours.ask(request), self.theirs.ask(request));
        let name = request[0].to_ascii_lowercase();
        if self.queued.is_none() && agree::is_nearest(request) && !self.as_far(request) {
            return Some(told(request, &ours, &theirs));
        }
        let difference = match (&name[..], &self.queued) {
            (b"exec", Some(queued)) => agree::exec(queued, &ours, &theirs),
            _ => (!agree(request, &ours, &theirs)).then(|| told(request, &ours, &theirs)),
        };
        match &name[..] {
            b"multi" if self.queued.is_none() && !theirs.is_error() => {
                self.queued = Some(Vec::new());
            }
            b"exec" | b"discard" if !(name == b"discard" && theirs.is_error()) => {
                self.queued = None
            }
            _ => {}
        }
        if theirs.is_queued()
            && let Some(queued) = &mut self.queued
        {
            queued.push(request.clone());
        }
        difference
    }

    /// Whether a search for the nearest finds some as far away in both; who it is among equals is open.
    fn as_far(&mut self, request: &Request) -> bool {
        let request = [&request[..], &[b"WITHDIST".to_vec()]].concat();
        let (ours, theirs) = (self.ours.ask(&request), self.theirs.ask(&request));
        let distances = |reply: &Reply| {
            let each = reply.parts().iter().map(|found| found.texts().get(1).cloned());
            each.collect::<Vec<_>>()
        };
        distances(&ours) == distances(&theirs)
    }

    /// All of the key that a request names first, as Redis has it, to tell with a difference.
    fn about_key(&mut self, request: &Request) -> String {
        let Some(key) = request.get(1) else { return String::new() };
        let asks: [&[&[u8]]; 3] = [
            &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
            &[b"LRANGE", key, b"0", b"-1"],
            &[b"XINFO", b"STREAM", key, b"FULL"],
        ];
        let mut ask = |words: &[&[u8]]| {
            let request: Request = words.iter().map(|word| word.to_vec()).collect();
            self.theirs.ask(&request)
        };
        let told = asks.into_iter().map(&mut ask).find(|reply| !reply.is_error());
        told.map_or(String::new(), |reply| format!("\n  key    {reply}"))
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A stream's id; what is none comes last, as it is refused anyway.
fn id_of(text: &[u8]) -> (u64, u64) {
    let parse = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok();
    let mut parts = text.splitn(2, |byte| *byte == b'-').map(parse);
    let (ms, number) = (parts.next().flatten(), parts.next().unwrap_or(Some(0)));
    ms.zip(number).unwrap_or((u64::MAX, u64::MAX))
}

/// A request and its replies, for a failure.
fn told(request: &Request, ours: &Reply, theirs: &Reply) -> String {
    format!("{}\n  ours   {ours}\n  theirs {theirs}", show(request))
}

/// What differs between the keys of both servers, if anything.
fn compare_keys(pair: &mut Pair) -> Option<String> {
    for db in DATABASES {
        pair.both(&["SELECT", db]);
        let (ours, theirs) = pair.both(&["KEYS", "*"]);
        if sorted(&ours) != sorted(&theirs) {
            return Some(format!("keys of database {db}\n  ours   {ours}\n  theirs {theirs}"));
        }
        let mut walked = walk(&mut pair.ours);
        walked.sort();
        walked.dedup();
        let keys = sorted(&theirs);
        if walked != keys.texts() {
            return Some(format!("SCAN of database {db} returned {walked:?}\n  keys {keys}"));
        }
        for key in walked {
            let about: [&[&[u8]]; 4] = [
                &[b"TYPE", &key],
                &[b"OBJECT", b"ENCODING", &key],
                &[b"PEXPIRETIME", &key],
                &[b"GET", &key],
            ];
            let contents: [&[&[u8]]; 5] = [
                &[b"HGETALL", &key],
                &[b"SMEMBERS", &key],
                &[b"LRANGE", &key, b"0", b"-1"],
                &[b"XRANGE", &key, b"-", b"+"],
                &[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"],
            ];
            for words in about.into_iter().chain(contents) {
                let request: Request = words.iter().map(|word| word.to_vec()).collect();
                if let Some(difference) = pair.compare(&request) {
                    return Some(format!("in database {db}: {difference}"));
                }
            }
        }
    }
    None
}

/// All keys of the selected database, by SCAN in small steps.
fn walk(connection: &mut Connection) -> Vec<Vec<u8>> {
    let (mut cursor, mut keys) = (b"0".to_vec(), Vec::new());
    loop {
        let words: [&[u8]; 4] = [b"SCAN", &cursor, b"COUNT", b"3"];
        let Reply::Many(_, step) = connection.ask(&words.map(<[u8]>::to_vec)) else {
            panic!("SCAN failed")
        };
        keys.extend(step[1].texts());
        cursor = step[0].text().to_vec();
        if cursor == b"0" {
            return keys;
        }
    }
}

#[test]
fn replies_and_keys_agree_with_redis() {
    let Some(rival) = Rival::start() else {
        eprintln!("no redis-server here: nothing was compared");
        return;
    };

    let seed = match std::env::var("STILLPOINT_DIFF_SEED") {
        Ok(word) if word == "random" => fastrand::u64(..),
        _ => number("STILLPOINT_DIFF_SEED", 21),
    };
    let total = number("STILLPOINT_DIFF_COMMANDS", 6_000);
    println!("seed {seed}");
    let server = Running::start(&[("port", "0"), ("bind", "127.0.0.1"), ("io-threads", "1")])
        .expect("the system has a free port");
    let mut control = Pair::open(server.port(), rival.port());
    for (name, value) in SETTINGS {
        control.both(&["CONFIG", "SET", name, value]);
    }
    let mut pairs = [0, 1].map(|_| Pair::open(server.port(), rival.port()));
    valkey::note(&control.both(&["INFO", "server"]).1);
    let (_, known) = control.both(&["COMMAND", "INFO", "hexpire"]);
    let has_newer = known.parts().first().is_some_and(|info| !info.parts().is_empty());
    let mut generator = Generator::new(seed, has_newer);
    let mut history: VecDeque<String> = VecDeque::new();
    let begun = Instant::now();
    for count in 1..=total {
        let which = generator.below(2);
        let request = pairs[which].existing(generator.request());
        history.push_back(format!("{which}> {}", show(&request)));
        if history.len() > SHOWN {
            history.pop_front();
        }
        let mut difference = pairs[which].compare(&request);
        if difference.is_none() && count % COMPARED_EVERY == 0 {
            difference = compare_keys(&mut control);
        }
        if let Some(difference) = difference {
            let history = Vec::from(history).join("\n");
            let difference = difference + &pairs[which].about_key(&request);
            panic!("seed {seed}, command {count}: {difference}\nafter\n{history}");
        }
    }
    println!("{total} commands agreed, {:?}", begun.elapsed());
}

/// Whether a request searches around a member.
fn is_around_member(request: &Request) -> bool {
    let is = |at: usize, word: &[u8]| {
        request.get(at).is_some_and(|arg: &Vec<u8>| arg.eq_ignore_ascii_case(word))
    };
    is(0, b"georadiusbymember") || is(0, b"geosearch") && is(2, b"frommember")
}

//! Where Valkey 9 has left Redis's words or order of checks, and this server has not: each difference that is explained, and no other.

use crate::agree::has;
use crate::generator::Request;
use crate::wire::Reply;
use std::sync::OnceLock;

static IS_PEER: OnceLock<bool> = OnceLock::new();

/// Learns from INFO whether the peer is Valkey.
pub(crate) fn note(info: &Reply) {
    let text = String::from_utf8_lossy(info.text());
    let _noted = IS_PEER.set(text.contains("valkey_version:9"));
}

pub(crate) fn is_peer() -> bool {
    IS_PEER.get() == Some(&true)
}

/// The request without what only one of the two takes: fractions that are in hexadecimal, empty or begin with a blank, and offsets below 0 that find
/// nothing (Redis, and this server); and the result of a SORT by numbers kept (an empty text is no number for Valkey).
pub(crate) fn understood(mut request: Request) -> Request {
    if !is_peer() {
        return request;
    }
    for word in &mut request {
        match &word[..] {
            b"0x10" => *word = b"16".to_vec(),
            b"(0x10" => *word = b"(16".to_vec(),
            _ => {}
        }
    }
    let name = request[0].to_ascii_lowercase();
    if name.starts_with(b"z") {
        let by_score = name == b"zcount" || name.ends_with(b"score");
        let has_range = by_score || name == b"zrange" || name == b"zrangestore";
        for at in 2..request.len() {
            let follows_limit = request[at - 1].eq_ignore_ascii_case(b"limit");
            match &request[at][..] {
                b" 1" if has_range => request[at] = b"1".to_vec(),
                b"(" if has_range => request[at] = b"(1".to_vec(),
                b"" if has_range => request[at] = b"0".to_vec(),
                [b'-', ..] if follows_limit => request[at] = b"0".to_vec(),
                _ => {}
            }
        }
    }
    if name == b"sort" && has(&request, b"store") && !has(&request, b"alpha") {
        return vec![b"ping".to_vec()];
    }
    request
}

/// Encodings of strings.
const STRINGS: [&str; 3] = ["int", "embstr", "raw"];

/// Errors that say the same: ours, Valkey's.
const WORDS: &[(&str, &str)] = &[
    ("NOSCRIPT No matching script. Please use EVAL.", "NOSCRIPT No matching script."),
    (
        "ERR exactly one of BYRADIUS and BYBOX can be specified for geosearch",
        "ERR exactly one of BYRADIUS, BYBOX and BYPOLYGON can be specified for geosearch",
    ),
    (
        "ERR exactly one of BYRADIUS and BYBOX can be specified for geosearchstore",
        "ERR exactly one of BYRADIUS, BYBOX and BYPOLYGON can be specified for geosearchstore",
    ),
];

/// The words without the names of things, in which the two differ: Valkey leaves out the script's digest or function, and Redis's name.
fn nameless(text: &str) -> String {
    let words = text
        .replace("Unknown Redis command", "Unknown command")
        .replace("calling Redis command", "calling command")
        .replace("This Redis command", "This Valkey command")
        .replace("Lua redis lib command arguments", "Command arguments");
    let Some((before, after)) = words.split_once("script: ") else { return words };
    let place = after.split_once("on @").map_or(after, |(_, place)| place);
    format!("{before}script: on @{place}")
}

/// Whether both say that the member is not there.
fn no_member(our_text: &str, their_text: &str) -> bool {
    our_text == "ERR could not decode requested zset member"
        && their_text.starts_with("ERR member ")
        && their_text.ends_with(" does not exist")
}

/// Whether replies that differ do so for a reason that is known.
pub(crate) fn explains(request: &Request, ours: &Reply, theirs: &Reply) -> bool {
    if !is_peer() {
        return false;
    }
    let texts = [ours.text(), theirs.text()].map(String::from_utf8_lossy);
    let [our_text, their_text] = [&*texts[0], &*texts[1]];
    let name = &request[0].to_ascii_lowercase()[..];
    if ours.is_error() && theirs.is_error() {
        let is_same = |(a, b): &(&str, &str)| our_text == *a && their_text == *b;
        return WORDS.iter().any(is_same)
            || no_member(our_text, their_text)
            || nameless(our_text) == nameless(their_text)
            // Valkey looks at an option's value before it looks at the key.
            || name == b"getex" && our_text.starts_with("WRONGTYPE");
    }
    match name {
        b"getex" => theirs.is_error() && matches!(ours, Reply::Null(_)),
        // Valkey embeds longer strings, and also numbers that a script writes.
        b"object" => [our_text, their_text].iter().all(|text| STRINGS.contains(text)),
        // No text at all is a weight of 0 for Redis.
        b"sort" | b"sort_ro" => their_text.starts_with("ERR One or more scores"),
        // An error that a script caught and returns as a text.
        b"eval" | b"eval_ro" | b"evalsha" | b"fcall" | b"fcall_ro" => {
            our_text.starts_with("ERR ") && nameless(our_text) == nameless(their_text)
        }
        _ => false,
    }
}

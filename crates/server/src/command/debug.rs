//! DEBUG: what test suites ask for. Off unless `enable-debug-command` allows it.

use super::config::allows;
use super::help::help;
use super::row::{Command, Group, Keys, flag::*};
use super::{CommandError, Context, Outcome};
use crate::data::Item;
use crate::resp::{Protocol, strict_integer};
use crate::saving;
use crate::value::{
    Hash as HashView, List, Set, SortedSet, Stream, bytes_of, encoding_name, glob_matches,
};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use stillpoint_store::At;

pub(crate) static ROWS: &[Command] = &[Command::new(
    "debug",
    -2,
    ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED,
    Keys::NONE,
    Group::Server,
    debug,
)
.doc("1.0.0", "A container for debugging commands.")];

const NOT_ALLOWED: &str = "DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.";

fn debug(ctx: &mut Context<'_>) -> Outcome {
    if !allows(ctx, "enable-debug-command") {
        return Err(CommandError::other(NOT_ALLOWED));
    }
    let word = String::from_utf8_lossy(ctx.args.at(1)).to_ascii_lowercase();
    match (word.as_str(), ctx.args.len()) {
        ("help", 2) => debug_help(ctx),
        ("sleep", 3) => sleep(ctx),
        ("reload", _) => reload(ctx),
        ("set-active-expire", 3) => set_active_expire(ctx),
        ("object", 3..) => object(ctx),
        ("digest-value", 2..) => digest_value(ctx),
        ("digest", 2) => digest(ctx),
        ("stringmatch-len", 4) => stringmatch_len(ctx),
        ("protocol", 3) => protocol(ctx),
        ("error", 3) => {
            let text = String::from_utf8_lossy(ctx.args.at(2)).into_owned();
            Err(CommandError::Coded(text.into()))
        }
        ("set-disable-deny-scripts", 3) => {
            ctx.env.server.scripting.allow_all.set(u64::from(ctx.args.is(2, "1")));
            ctx.out.ok();
            Ok(())
        }
        ("log", 3) => {
            let text = String::from_utf8_lossy(ctx.args.at(2)).into_owned();
            ctx.env.server.log.notice(&format!("DEBUG LOG: {text}"));
            ctx.out.ok();
            Ok(())
        }
        // Switches of mechanisms that are not there: setting them changes nothing.
        (
            "change-repl-id"
            | "dict-resizing"
            | "pause-cron"
            | "replybuffer"
            | "quicklist-packed-threshold"
            | "client-enforce-reply-list"
            | "jmap"
            | "script",
            _,
        ) => {
            ctx.out.ok();
            Ok(())
        }
        _ => Err(CommandError::other(format!(
            "unknown subcommand or wrong number of arguments for '{word}'. Try DEBUG HELP."
        ))),
    }
}

/// Sleeps on this loop, as Redis sleeps on its only one.
fn sleep(ctx: &mut Context<'_>) -> Outcome {
    let seconds = std::str::from_utf8(ctx.args.at(2)).ok().and_then(|t| t.parse::<f64>().ok());
    let seconds = seconds.filter(|s| (0.0..=3600.0).contains(s)).ok_or(CommandError::NotAFloat)?;
    std::thread::sleep(Duration::from_secs_f64(seconds));
    ctx.env.now_ms += (seconds * 1000.0) as u64;
    ctx.out.ok();
    Ok(())
}

/// Saves the data, empties the databases, and loads what was saved.
fn reload(ctx: &mut Context<'_>) -> Outcome {
    let (mut saves, mut empties, mut merges) = (true, true, false);
    for option in ctx.args.iter_from(2) {
        match option.to_ascii_lowercase().as_slice() {
            b"nosave" => saves = false,
            b"noflush" => empties = false,
            b"merge" => merges = true,
            _ => {
                return Err(CommandError::other(
                    "DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    let server = ctx.env.server.clone();
    if saves {
        saving::save_now(&server)
            .map_err(|_| CommandError::other("the data could not be saved; see the log"))?;
    }
    if empties {
        for space in 0..ctx.env.settings.databases {
            server
                .store
                .clear(At { space, now_ms: ctx.env.now_ms })
                .map_err(|error| CommandError::other(error.to_string()))?;
        }
    }
    let clashes = !empties && !merges && server.scripting.libraries.now().functions_count() > 0;
    if clashes {
        return Err(CommandError::other(UNLOADED));
    }
    match saving::load(&server) {
        Ok(_) => {
            ctx.out.ok();
            Ok(())
        }
        Err(error) => {
            server.log.warning(&error.to_string());
            Err(CommandError::other(UNLOADED))
        }
    }
}

const UNLOADED: &str = "Error trying to load the RDB dump, check server logs.";

fn set_active_expire(ctx: &mut Context<'_>) -> Outcome {
    let on = strict_integer(ctx.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    ctx.env.server.active_expire.set(u64::from(on != 0));
    ctx.out.ok();
    Ok(())
}

fn at(ctx: &Context<'_>) -> At {
    At { space: ctx.session.db, now_ms: ctx.env.now_ms }
}

fn object(ctx: &mut Context<'_>) -> Outcome {
    let (server, now_ms) = (ctx.env.server.clone(), ctx.env.now_ms);
    let usage = server.store.usage(at(ctx), ctx.args.at(2)).unwrap_or_default();
    let idle_seconds = usage.idle_seconds.unwrap_or(0);
    // At the beginning of time nothing has expired yet: what is still there is told of.
    let first = At { now_ms: 0, ..at(ctx) };
    let found = server.store.peek_with(first, ctx.args.at(2), |entry| {
        let entry = entry?;
        let length = content_bytes(entry);
        Some((length, encoding_name(entry), List::of(entry).map_or(0, List::len)))
    });
    let (length, encoding, elements) = found.ok_or(CommandError::NoSuchKey)?;
    let mut line = format!(
        "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{length} lru:{} lru_seconds_idle:{idle_seconds}",
        (now_ms / 1000).saturating_sub(idle_seconds.into()) & 0xff_ffff
    );
    if encoding == "quicklist" {
        let number = |name| ctx.env.settings.number(name);
        line.push_str(&format!(
            " ql_nodes:1 ql_avg_node:{elements}.00 ql_listpack_max:{} ql_compressed:{} ql_uncompressed_size:{length}",
            number("list-max-listpack-size"),
            u8::from(number("list-compress-depth") != 0),
        ));
    }
    ctx.out.simple(&line);
    Ok(())
}

/// Bytes of a key's content, as far as it is bytes.
pub(crate) fn content_bytes(entry: Item<'_>) -> usize {
    if let Some(bytes) = bytes_of(entry.value()) {
        return bytes.len();
    }
    let mut sum = 0;
    if let Ok(hash) = HashView::of(entry, 0) {
        hash.for_each(|field, value| sum += field.len() + value.len());
    } else if let Ok(set) = Set::of(entry) {
        set.for_each(|member| sum += member.len());
    } else if let Ok(list) = List::of(entry) {
        sum = list.bytes();
    } else if let Ok(stream) = Stream::of(entry) {
        sum = stream.bytes();
    } else if let Ok(set) = SortedSet::of(entry) {
        set.for_each(|member, _| sum += member.len() + size_of::<f64>());
    }
    sum
}

/// A figure that depends on a key's content, and not on the order of a hash's fields or a set's members.
fn fingerprint(entry: Item<'_>) -> u64 {
    let of = |part: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        part(&mut hasher);
        hasher.finish()
    };
    let mut sum = of(&|h| entry.expire_at_ms().is_some().hash(h));
    if let Ok(hash) = HashView::of(entry, 0) {
        hash.for_each(|field, value| sum ^= of(&|h| (field, value).hash(h)));
    } else if let Ok(set) = Set::of(entry) {
        set.for_each(|member| sum ^= of(&|h| member.hash(h)));
    } else if let Ok(list) = List::of(entry) {
        sum ^= of(&|h| list.iter_from(0).for_each(|element| element.hash(h)));
    } else if let Ok(stream) = Stream::of(entry) {
        sum ^= of(&|h| stream.hash_content(h));
    } else if let Ok(set) = SortedSet::of(entry) {
        set.for_each(|member, score| sum ^= of(&|h| (member, score.to_bits()).hash(h)));
    } else {
        sum ^= of(&|h| bytes_of(entry.value()).hash(h));
    }
    sum
}

/// Forty hexadecimal digits.
fn digits(figure: u64) -> String {
    format!("{figure:016x}{:024x}", u128::from(figure).wrapping_mul(0x9e37_79b9) & 0xffff_ffff)
}

fn digest_value(ctx: &mut Context<'_>) -> Outcome {
    let (server, at) = (ctx.env.server.clone(), at(ctx));
    ctx.out.array(ctx.args.len() - 2);
    for key in ctx.args.iter_from(2) {
        let figure = server.store.get_with(at, key, |entry| entry.map(fingerprint));
        match figure {
            Some(figure) => ctx.out.simple(&digits(figure)),
            None => ctx.out.simple(&"0".repeat(40)),
        }
    }
    Ok(())
}

fn digest(ctx: &mut Context<'_>) -> Outcome {
    let (server, now_ms) = (ctx.env.server.clone(), ctx.env.now_ms);
    let mut sum = 0u64;
    for space in 0..ctx.env.settings.databases {
        let mut cursor = 0;
        loop {
            cursor = server.store.scan(At { space, now_ms }, cursor, 256, |entry| {
                let mut hasher = DefaultHasher::new();
                (space, entry.key(), fingerprint(entry)).hash(&mut hasher);
                // The order of keys must not matter.
                sum ^= hasher.finish();
            });
            if cursor == 0 {
                break;
            }
        }
    }
    let text = if sum == 0 { "0".repeat(40) } else { digits(sum) };
    ctx.out.simple(&text);
    Ok(())
}

fn stringmatch_len(ctx: &mut Context<'_>) -> Outcome {
    let length = strict_integer(ctx.args.at(2)).filter(|n| (0..=1 << 28).contains(n));
    let text = vec![b'a'; length.ok_or(CommandError::NotAnInteger)? as usize];
    ctx.out.integer(i64::from(glob_matches(ctx.args.at(3), &text)));
    Ok(())
}

/// One reply of each kind, for tests of clients.
fn protocol(ctx: &mut Context<'_>) -> Outcome {
    let word = String::from_utf8_lossy(ctx.args.at(2)).to_ascii_lowercase();
    let out = &mut *ctx.out;
    match word.as_str() {
        "string" => out.bulk(b"Hello World"),
        "integer" => out.integer(12345),
        "double" => out.double(3141.0 / 1000.0),
        "null" => out.null(),
        "array" => {
            out.array(3);
            (0..3).for_each(|i| out.integer(i));
        }
        "set" => {
            out.set(3);
            (0..3).for_each(|i| out.integer(i));
        }
        "map" => {
            out.map(3);
            for i in 0..3 {
                out.integer(i);
                out.boolean(i == 1);
            }
        }
        "attrib" => {
            if out.protocol() == Protocol::Resp3 {
                out.attribute(1);
                out.bulk(b"key-popularity");
                out.array(2);
                out.bulk(b"key:123");
                out.integer(90);
            }
            out.bulk(b"Some real reply following the attribute");
        }
        "push" => {
            out.push(2);
            out.bulk(b"server-cpu-usage");
            out.integer(42);
        }
        "verbatim" => out.verbatim("txt", "This is a verbatim\nstring"),
        "bignum" => out.big_number("1234567999999999999999999999999999999"),
        "true" => out.boolean(true),
        "false" => out.boolean(false),
        _ => {
            return Err(CommandError::other(
                "Wrong protocol type name. Please use one of the following: \
                 string|integer|double|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

fn debug_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "DIGEST",
        "    Output a hex signature representing the current DB content.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Output a hex signature of the values of all the specified keys.",
        "ERROR <string>",
        "    Return an error message with <string> as the reply.",
        "LOG <message>",
        "    Write <message> to the server log.",
        "OBJECT <key>",
        "    Show low level info about <key> and associated value.",
        "PROTOCOL <type>",
        "    Reply with a test value of the specified type.",
        "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
        "    Save the data, empty the databases and load what was saved.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Setting it to 0 disables expiring keys in background.",
        "SLEEP <seconds>",
        "    Stop the event loop for <seconds>. Decimals allowed.",
        "STRINGMATCH-LEN <len> <pattern>",
        "    Run the matching of <pattern> against a text of <len> letters.",
    ];
    help(ctx, "DEBUG", &lines)
}

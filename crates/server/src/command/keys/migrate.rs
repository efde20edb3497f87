//! MIGRATE: keys go to another server, by DUMP here and RESTORE there.
//!
//! ```text
//! read the value and its version ─▶ RESTORE there ─▶ still that version? ── yes ─▶ removed here
//!            ▲                                                           └─ no ──┐
//!            └──────────────── once more, with REPLACE ◀────────────────────────┘
//! ```
//! Redis holds up everybody meanwhile, we nobody: the command runs on a thread for long commands, and a key that is written on its way is sent again.
//! Invariant: a key is removed here only if what it holds is there.

mod target;

use crate::command::{CommandError, Context, Outcome};
use crate::counter::Gauge;
use crate::event::class;
use crate::rdb;
use crate::resp::Args;
use stillpoint_store::VersionStamp;
use target::{Reply, Target};

/// MIGRATEs that run at a time: each holds a thread for long commands, of which others need some, for as long as its target likes.
const AT_A_TIME: u64 = 16;

/// One of the few that run at a time.
struct Turn<'a>(&'a Gauge);

impl<'a> Turn<'a> {
    fn take(running: &'a Gauge) -> Result<Self, CommandError> {
        let count = running.add(1);
        let turn = Turn(running);
        match count > AT_A_TIME {
            true => Err(CommandError::Coded(
                format!("TRYAGAIN {AT_A_TIME} MIGRATE commands are running already").into(),
            )),
            false => Ok(turn),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.subtract(1);
    }
}

/// How often a key is sent that is written on its way.
const ROUNDS: usize = 16;

/// Keys that are sent before their replies are read: a target that waits for somebody to read them takes nothing more.
const KEYS_AHEAD: usize = 1024;

/// Milliseconds that the other server may be silent if the request gives none.
const DEFAULT_TIMEOUT_MS: u64 = 1000;

struct Asked<'a> {
    keys: Vec<&'a [u8]>,
    timeout_ms: u64,
    copies: bool,
    replaces: bool,
    /// AUTH's arguments.
    credentials: Vec<&'a [u8]>,
}

impl<'a> Asked<'a> {
    fn of(args: Args<'a>, timeout: i64) -> Result<Self, CommandError> {
        let timeout_ms =
            u64::try_from(timeout).ok().filter(|ms| *ms > 0).unwrap_or(DEFAULT_TIMEOUT_MS);
        let mut asked = Asked {
            keys: vec![args.at(3)],
            timeout_ms,
            copies: false,
            replaces: false,
            credentials: Vec::new(),
        };
        let mut at = 6;
        while at < args.len() {
            let more = args.len() - at - 1;
            match args.at(at).to_ascii_lowercase().as_slice() {
                b"copy" => asked.copies = true,
                b"replace" => asked.replaces = true,
                b"auth" if more > 0 => {
                    asked.credentials = vec![args.at(at + 1)];
                    at += 1;
                }
                b"auth2" if more > 1 => {
                    asked.credentials = vec![args.at(at + 1), args.at(at + 2)];
                    at += 2;
                }
                b"keys" if !args.at(3).is_empty() => {
                    return Err(CommandError::other(
                        "When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                b"keys" => {
                    asked.keys = args.iter_from(at + 1).collect();
                    break;
                }
                _ => return Err(CommandError::Syntax),
            }
            at += 1;
        }
        Ok(asked)
    }
}

pub(crate) fn migrate(ctx: &mut Context<'_>) -> Outcome {
    let timeout = ctx.integer(5)?;
    let db = ctx.integer(4)?;
    let asked = Asked::of(ctx.args, timeout)?;
    if !ctx.session.data.is_direct() || ctx.session.in_script {
        return Err(CommandError::other(
            "MIGRATE inside a transaction, a snapshot or a script is not allowed",
        ));
    }
    // Somebody else's answers take any time.
    ctx.patience().bear(usize::MAX)?;
    let mut pending = Vec::new();
    for key in &asked.keys {
        if ctx.data().read(key, |entry| entry.is_some())? {
            pending.push(*key);
        }
    }
    if pending.is_empty() {
        ctx.out.simple("NOKEY");
        return Ok(());
    }
    let server = ctx.env.server.clone();
    let _one_of_few = Turn::take(&server.migrations)?;
    let mut target = connect(ctx, &asked, db)?;
    let mut refusal = None;
    for round in 0..ROUNDS {
        let replaces = asked.replaces || round > 0;
        pending = send(ctx, &asked, &mut target, replaces, &pending, &mut refusal)?;
        if pending.is_empty() {
            break;
        }
    }
    match (refusal, pending.first()) {
        (Some(refusal), _) => Err(refusal),
        (None, Some(key)) => Err(CommandError::Coded(
            format!(
                "TRYAGAIN '{}' is written faster than it can be sent; it is here, and as it was a moment ago there, too",
                String::from_utf8_lossy(key)
            )
            .into(),
        )),
        (None, None) => {
            ctx.out.ok();
            Ok(())
        }
    }
}

fn connect(ctx: &Context<'_>, asked: &Asked<'_>, db: i64) -> Result<Target, CommandError> {
    let args = ctx.args;
    let host = String::from_utf8_lossy(args.at(1));
    let port = crate::resp::strict_integer(args.at(2)).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or_else(|| CommandError::other("Invalid TCP port"))?;
    let mut target =
        Target::connect(&host, port, asked.timeout_ms, &ctx.env.server, &ctx.session.card)?;
    let db = db.to_string();
    if !asked.credentials.is_empty() {
        let words = std::iter::once(&b"AUTH"[..]).chain(asked.credentials.iter().copied());
        target.send(&words.collect::<Vec<_>>())?;
        target.reply()?.map_err(refused)?;
    }
    target.send(&[b"SELECT", db.as_bytes()])?;
    target.reply()?.map_err(refused)?;
    Ok(target)
}

fn refused(text: String) -> CommandError {
    CommandError::other(format!("Target instance replied with error: {text}"))
}

/// Sends the keys; those that were there are removed here, unless copies are wanted. Which were written meanwhile, and are to be sent again.
fn send<'k>(
    ctx: &mut Context<'_>,
    asked: &Asked<'_>,
    target: &mut Target,
    replaces: bool,
    keys: &[&'k [u8]],
    refusal: &mut Option<CommandError>,
) -> Result<Vec<&'k [u8]>, CommandError> {
    let mut changed = Vec::new();
    for keys in keys.chunks(KEYS_AHEAD) {
        let mut sent: Vec<(&[u8], VersionStamp)> = Vec::new();
        for key in keys {
            if let Some(stamp) = send_one(ctx, target, key, replaces)? {
                sent.push((key, stamp));
            }
        }
        for (key, stamp) in sent {
            let reply: Reply = target.reply()?;
            match reply {
                Err(text) => {
                    refusal.get_or_insert(refused(text));
                }
                Ok(()) if asked.copies => {}
                Ok(()) if remove(ctx, key, stamp)? => {}
                Ok(()) => changed.push(key),
            }
        }
    }
    Ok(changed)
}

/// Sends a key as it is; its version, if it is there.
fn send_one(
    ctx: &mut Context<'_>,
    target: &mut Target,
    key: &[u8],
    replaces: bool,
) -> Result<Option<VersionStamp>, CommandError> {
    let compresses = ctx.env.settings.text("rdbcompression") == "yes";
    let mut data = ctx.data();
    let now_ms = data.now_ms();
    let read = data.read_whole(key, |entry| {
        entry.map(|entry| {
            (rdb::dump(entry, compresses), entry.expire_at_ms().unwrap_or(0), entry.stamp())
        })
    })?;
    let Some((payload, expire_at_ms, stamp)) = read else { return Ok(None) };
    // What has less than a millisecond to live has one there: 0 would be for ever.
    let ttl = if expire_at_ms == 0 { 0 } else { expire_at_ms.saturating_sub(now_ms).max(1) };
    let ttl = ttl.to_string();
    let words = [&b"RESTORE"[..], key, ttl.as_bytes(), &payload, b"REPLACE"];
    target.send(&words[..if replaces { 5 } else { 4 }])?;
    Ok(Some(stamp))
}

/// Removes a key if it still has that version, or is gone. Whether it is gone.
fn remove(ctx: &mut Context<'_>, key: &[u8], stamp: VersionStamp) -> Result<bool, CommandError> {
    let mut data = ctx.data();
    let (gone, removed) = data.update(key, |entry, draft| match entry {
        Some(entry) if entry.stamp() == stamp => {
            draft.remove();
            (true, true)
        }
        Some(_) => (false, false),
        // Somebody has removed it since; it is there now, as if that had been before.
        None => (true, false),
    })?;
    if removed {
        data.notify(class::GENERIC, "del", key);
    }
    Ok(gone)
}

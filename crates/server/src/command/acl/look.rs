//! ACL CAT, DRYRUN, LOG, GENPASS.

use crate::acl::{Entry, check};
use crate::command::{CommandError, Context, Outcome, category, lookup_request, rows};
use crate::resp::{Reply, strict_integer};
use rustix::rand::{GetRandomFlags, getrandom};

fn unknown_form(ctx: &Context<'_>) -> CommandError {
    let word = String::from_utf8_lossy(ctx.args.at(1)).into_owned();
    CommandError::other(format!(
        "unknown subcommand or wrong number of arguments for '{word}'. Try ACL HELP."
    ))
}

pub(super) fn cat(ctx: &mut Context<'_>) -> Outcome {
    let names: Vec<&str> = match ctx.args.len() {
        2 => category::NAMES.to_vec(),
        3 => {
            let wanted = String::from_utf8_lossy(ctx.args.at(2)).to_ascii_lowercase();
            if !category::NAMES.contains(&wanted.as_str()) {
                let given: String =
                    String::from_utf8_lossy(ctx.args.at(2)).chars().take(128).collect();
                return Err(CommandError::other(format!("Unknown category '{given}'")));
            }
            let rows = rows().map(|(_, row)| row);
            rows.filter(|row| category::has(row, &wanted)).map(|row| row.name).collect()
        }
        _ => return Err(unknown_form(ctx)),
    };
    ctx.out.array(names.len());
    names.iter().for_each(|name| ctx.out.bulk(name.as_bytes()));
    Ok(())
}

pub(super) fn dryrun(ctx: &mut Context<'_>) -> Outcome {
    let (name, args) = (ctx.args.at(2), ctx.args.without(3));
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let account = ctx.env.server.acl.find(name);
    let account =
        account.ok_or_else(|| CommandError::other(format!("User '{}' not found", lossy(name))))?;
    let (id, command) = lookup_request(args)
        .ok_or_else(|| CommandError::other(format!("Command '{}' not found", lossy(args.at(0)))))?;
    if !command.accepts(args.len()) {
        return Err(CommandError::Arity(command.name));
    }
    match check(&account.now(), id, command, args) {
        Ok(()) => ctx.out.ok(),
        Err(denial) => ctx.out.bulk(&denial.text(name, command, args, true)),
    }
    Ok(())
}

/// Entries that LOG tells unless it is told how many.
const ENTRIES: usize = 10;

pub(super) fn log(ctx: &mut Context<'_>) -> Outcome {
    let log = &ctx.env.server.acl.log;
    let most = match ctx.args.len() {
        2 => ENTRIES,
        3 if ctx.args.is(2, "reset") => {
            log.clear();
            ctx.out.ok();
            return Ok(());
        }
        3 => ctx.integer(2)?.max(0) as usize,
        _ => return Err(unknown_form(ctx)),
    };
    let entries = log.newest(most);
    ctx.out.array(entries.len());
    entries.iter().for_each(|entry| write_entry(entry, ctx.env.now_ms, ctx.out));
    Ok(())
}

fn write_entry(entry: &Entry, now_ms: u64, out: &mut Reply) {
    out.map(10);
    out.bulk(b"count");
    out.integer(entry.count as i64);
    for (field, text) in [
        ("reason", entry.reason.name().as_bytes()),
        ("context", entry.scene.name().as_bytes()),
        ("object", &entry.object),
        ("username", &entry.user),
    ] {
        out.bulk(field.as_bytes());
        out.bulk(text);
    }
    out.bulk(b"age-seconds");
    out.double(now_ms.saturating_sub(entry.updated_ms) as f64 / 1000.0);
    out.bulk(b"client-info");
    out.bulk(entry.client.as_bytes());
    for (field, figure) in [
        ("entry-id", entry.id),
        ("timestamp-created", entry.created_ms),
        ("timestamp-last-updated", entry.updated_ms),
    ] {
        out.bulk(field.as_bytes());
        out.integer(figure as i64);
    }
}

/// Bits of a password: unless told, and at most.
const BITS: usize = 256;
const MAX_BITS: usize = 4096;

pub(super) fn genpass(ctx: &mut Context<'_>) -> Outcome {
    let bits = match ctx.args.len() {
        2 => BITS,
        3 => {
            let bits = strict_integer(ctx.args.at(2)).ok_or(CommandError::NotAnInteger)?;
            let bits = usize::try_from(bits).ok().filter(|bits| (1..=MAX_BITS).contains(bits));
            bits.ok_or_else(|| {
                CommandError::other(format!(
                    "ACL GENPASS argument must be the number of bits for the output password, a positive number up to {MAX_BITS}"
                ))
            })?
        }
        _ => return Err(unknown_form(ctx)),
    };
    let mut bytes = [0; MAX_BITS / 8];
    let digits = bits.div_ceil(4);
    let wanted = &mut bytes[..digits.div_ceil(2)];
    // What is asked for is far below what the system gives in pieces.
    match getrandom(&mut *wanted, GetRandomFlags::empty()) {
        Ok(n) if n == wanted.len() => {}
        _ => return Err(CommandError::other("the system gives no random numbers")),
    }
    let text: String = wanted.iter().map(|byte| format!("{byte:02x}")).collect();
    ctx.out.bulk(&text.as_bytes()[..digits]);
    Ok(())
}

//! DUMP, RESTORE: a value as Redis's serialised form, and back.

use crate::command::{CommandError, Context, Outcome};
use crate::rdb::{self, Forms};
use crate::resp::strict_integer;
use stillpoint_store::{At, Usage};

pub(crate) fn dump(ctx: &mut Context<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let compresses = ctx.env.settings.text("rdbcompression") == "yes";
    let (mut data, out) = ctx.parts();
    data.read_whole(key, |entry| match entry {
        Some(entry) => out.bulk(&rdb::dump(entry, compresses)),
        None => out.null(),
    })
}

#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    usage: Usage,
}

fn options(ctx: &Context<'_>) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut at = 4;
    while let Some(word) = ctx.args.get(at) {
        let number = || strict_integer(ctx.args.at(at + 1)).ok_or(CommandError::NotAnInteger);
        let has_value = at + 1 < ctx.args.len();
        match word.to_ascii_lowercase().as_slice() {
            b"replace" => options.replace = true,
            b"absttl" => options.absolute = true,
            b"idletime" if has_value => {
                options.usage.idle_seconds = u32::try_from(number()?.min(u32::MAX.into())).ok();
                if number()? < 0 {
                    return Err(CommandError::other("Invalid IDLETIME value, must be >= 0"));
                }
                at += 1;
            }
            b"freq" if has_value => {
                options.usage.frequency = u8::try_from(number()?).ok();
                if options.usage.frequency.is_none() {
                    return Err(CommandError::other("Invalid FREQ value, must be >= 0 and <= 255"));
                }
                at += 1;
            }
            _ => return Err(CommandError::Syntax),
        }
        at += 1;
    }
    Ok(options)
}

pub(crate) fn restore(ctx: &mut Context<'_>) -> Outcome {
    const BAD_FORMAT: CommandError =
        CommandError::Other(std::borrow::Cow::Borrowed("Bad data format"));
    let options = options(ctx)?;
    let (key, payload) = (ctx.args.at(1), ctx.args.at(3));
    if !options.replace && ctx.data().read(key, |entry| entry.is_some())? {
        return Err(busy());
    }
    let ttl = strict_integer(ctx.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    let ttl =
        u64::try_from(ttl).map_err(|_| CommandError::other("Invalid TTL value, must be >= 0"))?;
    if !rdb::is_whole(payload) {
        return Err(CommandError::other("DUMP payload version or checksum are wrong"));
    }
    let value = rdb::restore(payload).map_err(|_| BAD_FORMAT)?;
    let forms = Forms::of(&ctx.env.settings);
    let (mut data, out) = ctx.parts();
    let now_ms = data.now_ms();
    let expire_at_ms = match ttl {
        0 => None,
        ttl if options.absolute => Some(ttl),
        ttl => Some(now_ms.saturating_add(ttl)),
    };
    data.update(key, |entry, draft| {
        if entry.is_some() && !options.replace {
            return Err(busy());
        }
        if expire_at_ms.is_some_and(|expiry| expiry <= now_ms) {
            draft.remove();
            return Ok(());
        }
        value.put(draft, expire_at_ms, forms).map_err(|_| BAD_FORMAT)
    })??;
    if let Some(time_ms) = value.next_due_ms() {
        data.note_field_expiry(key, time_ms);
    }
    if data.state.is_direct() && options.usage != Usage::default() {
        data.store.set_usage(At { space: data.db, now_ms }, key, options.usage);
    }
    out.ok();
    Ok(())
}

fn busy() -> CommandError {
    CommandError::Coded("BUSYKEY Target key name already exists.".into())
}

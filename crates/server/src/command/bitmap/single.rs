//! SETBIT, GETBIT.

use super::offset_of;
use crate::command::{CommandError, Context, Outcome};
use crate::event::class;
use crate::value::{kind, put_string, string_of};

fn bit_at(bytes: &[u8], offset: u64) -> bool {
    bytes.get((offset >> 3) as usize).is_some_and(|byte| byte >> (7 - (offset & 7)) & 1 == 1)
}

pub(crate) fn setbit(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let offset = offset_of(ctx, args.at(2), None)?;
    let on = match args.at(3) {
        b"0" => false,
        b"1" => true,
        _ => return Err(CommandError::other("bit is not an integer or out of range")),
    };
    let at = (offset >> 3) as usize;
    let (mut data, out) = ctx.parts();
    let (was, changed) = data.update_whole(args.at(1), |entry, draft| {
        let bytes = entry.map_or(Ok(&[][..]), string_of)?;
        let was = bit_at(bytes, offset);
        let changed = was != on || at >= bytes.len();
        if !changed && entry.is_some_and(|entry| entry.kind() == kind::RAW_STRING) {
            return Ok((was, false));
        }
        let mask = 0x80 >> (offset & 7);
        let byte = bytes.get(at).copied().unwrap_or(0);
        let byte = if on { byte | mask } else { byte & !mask };
        let before = &bytes[..at.min(bytes.len())];
        let padding = vec![0; at - before.len()];
        let behind = bytes.get(at + 1..).unwrap_or(&[]);
        let expire_at_ms = entry.and_then(|entry| entry.expire_at_ms());
        let parts = [before, &padding, &[byte], behind];
        put_string(draft, kind::RAW_STRING, &parts, expire_at_ms);
        Ok::<_, CommandError>((was, changed))
    })??;
    if changed {
        data.notify(class::STRING, "setbit", args.at(1));
    }
    out.integer(i64::from(was));
    Ok(())
}

pub(crate) fn getbit(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let offset = offset_of(ctx, args.at(2), None)?;
    let (mut data, out) = ctx.parts();
    let bit = data.read(args.at(1), |entry| {
        let bytes = entry.map_or(Ok(&[][..]), string_of)?;
        Ok::<_, CommandError>(bit_at(bytes, offset))
    })??;
    out.integer(i64::from(bit));
    Ok(())
}

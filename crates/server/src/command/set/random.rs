//! SPOP, SRANDMEMBER.

use crate::command::{CommandError, Context, Outcome, draw};
use crate::event::class;
use crate::resp::strict_integer;
use crate::value::{Set, SetEdit};

pub(crate) fn srandmember(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let count = match args.len() {
        2 => None,
        3 => Some(draw::count(ctx, 2, false)?),
        _ => return Err(CommandError::Syntax),
    };
    let patience = ctx.patience();
    let (mut data, out) = ctx.parts();
    data.read(args.at(1), |entry| {
        let set = entry.map(Set::of).transpose()?;
        match (set, count) {
            (None, None) => out.null(),
            (None, Some(_)) => out.array(0),
            (Some(set), None) => {
                match set.member(fastrand::usize(..set.len().max(1))) {
                    Some(member) => out.bulk(&member),
                    None => out.null(),
                };
            }
            (Some(set), Some(count)) => {
                patience.bear(count.unsigned_abs() as usize)?;
                let numbers = draw::numbers(set.len(), count);
                // A packed set is walked once, not once a number.
                let members = match set {
                    Set::Packed(_) => set.members(),
                    _ => Vec::new(),
                };
                out.array(numbers.len());
                for number in numbers {
                    match members.get(number) {
                        Some(member) => out.bulk(member),
                        None => out.bulk(&set.member(number).unwrap_or_default()),
                    }
                }
            }
        }
        Ok::<(), CommandError>(())
    })?
}

pub(crate) fn spop(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let count = match args.len() {
        2 => None,
        3 => Some(
            strict_integer(args.at(2))
                .and_then(|count: i64| usize::try_from(count).ok())
                .ok_or_else(|| CommandError::other("value is out of range, must be positive"))?,
        ),
        _ => return Err(CommandError::Syntax),
    };
    let patience = ctx.patience();
    let (mut data, out) = ctx.parts();
    let (popped, is_gone) = data.update(args.at(1), |entry, draft| {
        let mut edit = SetEdit::of(entry)?;
        patience.bear(count.unwrap_or(1).min(edit.view().len()))?;
        let popped = take(&mut edit, count.unwrap_or(1));
        if !popped.is_empty() {
            edit.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
        }
        Ok::<_, CommandError>((popped, edit.view().len() == 0))
    })??;
    if !popped.is_empty() {
        data.notify_shrunk(class::SET, "spop", args.at(1), is_gone);
    }
    match (count, popped.first()) {
        (None, Some(member)) => out.bulk(member),
        (None, None) => out.null(),
        (Some(_), _) => {
            out.set(popped.len());
            popped.iter().for_each(|member| out.bulk(member));
        }
    }
    Ok(())
}

/// Removes so many random members.
fn take(edit: &mut SetEdit, count: usize) -> Vec<Vec<u8>> {
    if count >= edit.view().len() {
        let all = edit.view().members().into_iter().map(|member| member.into_owned()).collect();
        *edit = SetEdit::new();
        return all;
    }
    let mut taken = Vec::with_capacity(count);
    while taken.len() < count {
        let number = fastrand::usize(..edit.view().len());
        let Some(member) = edit.view().member(number).map(|member| member.into_owned()) else {
            break;
        };
        edit.remove(&member);
        taken.push(member);
    }
    taken
}

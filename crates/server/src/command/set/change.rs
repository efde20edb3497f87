//! Changing sets member by member.

use crate::command::{CommandError, Context, Outcome, shrink};
use crate::data::atomically;
use crate::event::class;
use crate::value::{Set, SetEdit, SetLimits};

pub(crate) fn sadd(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let limits = SetLimits::of(&ctx.env.settings);
    let (mut data, out) = ctx.parts();
    let added: i64 = data.update(args.at(1), |entry, draft| {
        let mut edit = SetEdit::of(entry)?;
        edit.expect(args.at(2), args.len() - 2, limits);
        let added = args.iter_from(2).map(|member| i64::from(edit.add(member, limits))).sum();
        if added > 0 {
            edit.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
        }
        Ok::<_, CommandError>(added)
    })??;
    if added > 0 {
        data.notify(class::SET, "sadd", args.at(1));
    }
    out.integer(added);
    Ok(())
}

pub(crate) fn srem(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    shrink(ctx, (class::SET, "srem"), |entry, draft| {
        let mut edit = SetEdit::of(Some(entry))?;
        let removed = args.iter_from(2).map(|member| i64::from(edit.remove(member))).sum();
        let is_gone = edit.view().len() == 0;
        if removed > 0 {
            edit.put(draft, entry.expire_at_ms());
        }
        Ok((removed, is_gone))
    })
}

pub(crate) fn smove(ctx: &mut Context<'_>) -> Outcome {
    let (from, to, member) = (ctx.args.at(1), ctx.args.at(2), ctx.args.at(3));
    let limits = SetLimits::of(&ctx.env.settings);
    atomically(ctx, |ctx| {
        let (mut data, out) = ctx.parts();
        let is_there = data.read(from, |entry| {
            let set = entry.map(Set::of).transpose()?;
            Ok(set.map(|set| set.contains(member)))
        })??;
        let Some(is_there) = is_there else {
            out.integer(0);
            return Ok(());
        };
        data.read(to, |entry| entry.map(Set::of).transpose().map(|_| ()))??;
        out.integer(i64::from(is_there));
        if !is_there || from == to {
            return Ok(());
        }
        let is_gone = data.update(from, |entry, draft| {
            let mut edit = SetEdit::of(entry)?;
            edit.remove(member);
            edit.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
            Ok::<_, CommandError>(edit.view().len() == 0)
        })??;
        data.notify_shrunk(class::SET, "srem", from, is_gone);
        let is_new = data.update(to, |entry, draft| {
            let mut edit = SetEdit::of(entry)?;
            let is_new = edit.add(member, limits);
            if is_new {
                edit.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
            }
            Ok::<_, CommandError>(is_new)
        })??;
        if is_new {
            data.notify(class::SET, "sadd", to);
        }
        Ok(())
    })
}

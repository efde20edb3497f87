//! LMOVE, RPOPLPUSH.

use super::pop::tell_of_taking;
use super::{End, limits};
use crate::command::{CommandError, Context, Outcome};
use crate::data::{Data, atomically};
use crate::event::class;
use crate::value::{List, ListEdit};

/// From which end of which list to which end of which other.
pub(super) struct Move<'a> {
    pub(super) from: &'a [u8],
    to: &'a [u8],
    take: End,
    put: End,
}

impl<'a> Move<'a> {
    /// Of LMOVE's and BLMOVE's arguments.
    pub(super) fn of(ctx: &Context<'a>) -> Result<Self, CommandError> {
        let args = ctx.args;
        let (take, put) = (End::of(args.at(3))?, End::of(args.at(4))?);
        Ok(Move { from: args.at(1), to: args.at(2), take, put })
    }

    /// Of RPOPLPUSH's and BRPOPLPUSH's arguments.
    pub(super) fn last_to_front(ctx: &Context<'a>) -> Self {
        let (from, to) = (ctx.args.at(1), ctx.args.at(2));
        Move { from, to, take: End::Back, put: End::Front }
    }

    /// Moves an element, if there is one, and writes it. Whether there was one.
    pub(super) fn run(&self, ctx: &mut Context<'_>) -> Result<bool, CommandError> {
        let moved = if self.from == self.to { self.rotate(ctx)? } else { self.carry(ctx)? };
        if let Some(element) = &moved {
            ctx.out.bulk(element);
        }
        Ok(moved.is_some())
    }

    fn rotate(&self, ctx: &mut Context<'_>) -> Result<Option<Vec<u8>>, CommandError> {
        let limits = limits(ctx);
        let mut data = ctx.data();
        let moved = data.update(self.from, |entry, draft| {
            let Some(entry) = entry else { return Ok(None) };
            let mut edit = ListEdit::of(Some(entry))?;
            let element = taken(&mut edit, self.take);
            edit.push([&element[..]].into_iter(), self.put.is_front(), limits);
            edit.put(draft, entry.expire_at_ms());
            Ok::<_, CommandError>(Some(element))
        })??;
        if moved.is_some() {
            self.tell(&mut data, false);
        }
        Ok(moved)
    }

    fn tell(&self, data: &mut Data<'_>, emptied: bool) {
        data.notify(class::LIST, if self.put.is_front() { "lpush" } else { "rpush" }, self.to);
        tell_of_taking(data, self.from, self.take, emptied);
    }

    fn carry(&self, ctx: &mut Context<'_>) -> Result<Option<Vec<u8>>, CommandError> {
        let limits = limits(ctx);
        let mut moved = None;
        atomically(ctx, |ctx| {
            let mut data = ctx.data();
            let there = data.read(self.from, |entry| {
                entry.map(List::of).transpose().map(|list| list.is_some())
            })??;
            moved = None;
            if !there {
                return Ok(());
            }
            data.read(self.to, |entry| entry.map(List::of).transpose().map(|_| ()))??;
            let (element, emptied) = data.update(self.from, |entry, draft| {
                let mut edit = ListEdit::of(entry)?;
                let element = taken(&mut edit, self.take);
                let emptied = edit.view().len() == 0;
                edit.shrink(limits);
                edit.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
                Ok::<_, CommandError>((element, emptied))
            })??;
            data.update(self.to, |entry, draft| {
                let mut edit = ListEdit::of(entry)?;
                edit.push([&element[..]].into_iter(), self.put.is_front(), limits);
                edit.put(draft, entry.and_then(|entry| entry.expire_at_ms()));
                Ok::<_, CommandError>(())
            })??;
            self.tell(&mut data, emptied);
            moved = Some(element);
            Ok(())
        })?;
        Ok(moved)
    }
}

/// Takes an element off a list that is not empty.
fn taken(edit: &mut ListEdit, end: End) -> Vec<u8> {
    let len = edit.view().len();
    let number = if end.is_front() { 0 } else { len.saturating_sub(1) };
    let element = edit.view().get(number).unwrap_or_default().to_vec();
    edit.remove(number, number + 1);
    element
}

pub(crate) fn lmove(ctx: &mut Context<'_>) -> Outcome {
    let wanted = Move::of(ctx)?;
    answer(ctx, &wanted)
}

pub(crate) fn rpoplpush(ctx: &mut Context<'_>) -> Outcome {
    let wanted = Move::last_to_front(ctx);
    answer(ctx, &wanted)
}

fn answer(ctx: &mut Context<'_>, wanted: &Move<'_>) -> Outcome {
    if !wanted.run(ctx)? {
        ctx.out.null();
    }
    Ok(())
}

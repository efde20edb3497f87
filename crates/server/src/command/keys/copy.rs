//! RENAME, COPY, MOVE: a value under another key.

use crate::command::{CommandError, Context, Outcome};
use crate::data::{Data, Item, atomically};
use crate::event::class;
use crate::value::Object;
use std::sync::Arc;
use stillpoint_store::{Draft, Value};

/// A value on its way from one key to another.
pub(crate) struct Carried {
    value: CarriedValue,
    kind: u8,
    expire_at_ms: Option<u64>,
}

enum CarriedValue {
    Bytes(Vec<u8>),
    Object(Arc<Object>),
}

impl Carried {
    pub(crate) fn of(entry: Item<'_>) -> Self {
        let value = match entry.value() {
            Value::Bytes(bytes) => CarriedValue::Bytes(bytes.to_vec()),
            Value::Object(object) => CarriedValue::Object(Arc::clone(object)),
        };
        Carried { value, kind: entry.kind(), expire_at_ms: entry.expire_at_ms() }
    }

    /// When the next field of a hash expires.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        match &self.value {
            CarriedValue::Object(object) => match &**object {
                Object::TimedHash(hash) => hash.next_due_ms(),
                _ => None,
            },
            CarriedValue::Bytes(_) => None,
        }
    }

    pub(crate) fn put(&self, draft: &mut Draft<'_, Object>) {
        match &self.value {
            CarriedValue::Bytes(bytes) => draft.put(self.kind, &[bytes], self.expire_at_ms),
            CarriedValue::Object(object) => {
                draft.put_object(self.kind, Arc::clone(object), self.expire_at_ms)
            }
        }
    }
}

fn take_from(data: &mut Data<'_>, key: &[u8]) -> Result<Option<Carried>, CommandError> {
    data.read(key, |entry| entry.map(Carried::of))
}

pub(crate) fn remove(data: &mut Data<'_>, key: &[u8]) -> Outcome {
    data.update(key, |_, draft| draft.remove())
}

/// Puts the value under `key`, unless something is there and `over` is not set. Whether it did.
pub(crate) fn put_to(
    data: &mut Data<'_>,
    key: &[u8],
    carried: &Carried,
    over: bool,
) -> Result<bool, CommandError> {
    let done = data.update(key, |entry, draft| {
        let free = over || entry.is_none();
        if free {
            carried.put(draft);
        }
        free
    })?;
    if let Some(time_ms) = carried.next_due_ms() {
        data.note_field_expiry(key, time_ms);
    }
    Ok(done)
}

pub(crate) fn rename(ctx: &mut Context<'_>) -> Outcome {
    rename_over(ctx, true)?;
    ctx.out.ok();
    Ok(())
}

pub(crate) fn renamenx(ctx: &mut Context<'_>) -> Outcome {
    let done = rename_over(ctx, false)?;
    ctx.out.integer(i64::from(done));
    Ok(())
}

fn rename_over(ctx: &mut Context<'_>, over: bool) -> Result<bool, CommandError> {
    let (from, to) = (ctx.args.at(1), ctx.args.at(2));
    let mut done = false;
    atomically(ctx, |ctx| {
        let mut data = ctx.data();
        let carried = take_from(&mut data, from)?.ok_or(CommandError::NoSuchKey)?;
        if from == to {
            done = over;
            return Ok(());
        }
        done = put_to(&mut data, to, &carried, over)?;
        if done {
            remove(&mut data, from)?;
            data.notify(class::GENERIC, "rename_from", from);
            data.notify(class::GENERIC, "rename_to", to);
        }
        Ok(())
    })?;
    Ok(done)
}

/// The database that an argument names.
fn database(ctx: &Context<'_>, at: usize) -> Result<u8, CommandError> {
    match u8::try_from(ctx.integer(at)?) {
        Ok(db) if db < ctx.env.settings.databases => Ok(db),
        _ => Err(CommandError::other("DB index is out of range")),
    }
}

pub(crate) fn copy(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let (mut replace, mut db) = (false, ctx.session.db);
    let mut at = 3;
    while at < args.len() {
        if args.is(at, "REPLACE") {
            replace = true;
        } else if args.is(at, "DB") && at + 1 < args.len() {
            at += 1;
            db = database(ctx, at)?;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    if db == ctx.session.db && args.at(1) == args.at(2) {
        return Err(same_objects());
    }
    atomically(ctx, |ctx| {
        let mut data = ctx.data();
        let done = match take_from(&mut data, args.at(1))? {
            Some(carried) => put_to(&mut data.in_db(db), args.at(2), &carried, replace)?,
            None => false,
        };
        if done {
            data.in_db(db).notify(class::GENERIC, "copy_to", args.at(2));
        }
        ctx.out.integer(i64::from(done));
        Ok(())
    })
}

pub(crate) fn move_to(ctx: &mut Context<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let db = database(ctx, 2)?;
    if db == ctx.session.db {
        return Err(same_objects());
    }
    atomically(ctx, |ctx| {
        let mut data = ctx.data();
        let done = match take_from(&mut data, key)? {
            Some(carried) => put_to(&mut data.in_db(db), key, &carried, false)?,
            None => false,
        };
        if done {
            remove(&mut data, key)?;
            data.notify(class::GENERIC, "move_from", key);
            data.in_db(db).notify(class::GENERIC, "move_to", key);
        }
        ctx.out.integer(i64::from(done));
        Ok(())
    })
}

fn same_objects() -> CommandError {
    CommandError::other("source and destination objects are the same")
}

//! A past moment: what some keys were then, as a command that reads them sees it.
//!
//! ```text
//! history ─ the versions of the keys ─▶ writes of a transaction ─▶ the command reads its own writes ─▶ the transaction is forgotten
//! ```
//! So every command that reads can be asked about the past, and none knows. Invariant: no other key is read; nothing is ever written.

use super::Mode;
use crate::command::{BYTES_A_STEP, CommandError, Context, Outcome};
use crate::value::Object;
use std::sync::Arc;
use stillpoint_store::{HistoryError, PastVersion, Transaction, Value};

/// A moment that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) timestamp: u64,
    /// The wall clock of then, by which expiry is judged.
    pub(crate) now_ms: u64,
}

/// Runs `f`, which reads `keys` of the selected database, as of the moment.
///
/// # Errors
/// `refused` says it: what a key was then is not known.
pub(crate) fn as_of<'k>(
    ctx: &mut Context<'_>,
    moment: Moment,
    keys: impl Iterator<Item = &'k [u8]>,
    refused: impl Fn(&[u8], HistoryError) -> CommandError,
    f: impl FnOnce(&mut Context<'_>) -> Outcome,
) -> Outcome {
    let (db, server) = (ctx.session.db, ctx.env.server.clone());
    let mut transaction = server.store.begin(moment.now_ms);
    for key in keys {
        let version = server.store.get_at(db, key, moment.timestamp);
        let version = version.map_err(|error| refused(key, error))?;
        let bytes = version.as_ref().and_then(|version| version.bytes()).map_or(0, <[u8]>::len);
        ctx.patience().bear(bytes / BYTES_A_STEP)?;
        lay(&mut transaction, db, key, version.as_deref());
    }
    let mode = Mode::Transaction(Box::new(transaction));
    let (before, effects) =
        (std::mem::replace(&mut ctx.session.data.mode, mode), ctx.session.data.effects.len());
    let outcome = f(ctx);
    ctx.session.data.mode = before;
    ctx.session.data.effects.truncate(effects);
    outcome
}

fn lay(
    transaction: &mut Transaction<Object>,
    db: u8,
    key: &[u8],
    version: Option<&PastVersion<Object>>,
) {
    let there = version.and_then(|version| version.value().map(|value| (version, value)));
    match there {
        None => transaction.remove(db, key),
        Some((version, Value::Bytes(bytes))) => {
            transaction.set(db, key, version.kind(), bytes, version.expire_at_ms());
        }
        Some((version, Value::Object(object))) => {
            let object = Arc::clone(object);
            transaction.set_object(db, key, version.kind(), object, version.expire_at_ms());
        }
    }
}

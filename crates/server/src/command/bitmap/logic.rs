//! BITOP.

use crate::command::{CommandError, Context, Outcome};
use crate::data::atomically;
use crate::event::class;
use crate::value::{kind, string_of};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

pub(crate) fn bitop(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let operation = match args.at(1).to_ascii_lowercase().as_slice() {
        b"and" => Operation::And,
        b"or" => Operation::Or,
        b"xor" => Operation::Xor,
        b"not" => Operation::Not,
        _ => return Err(CommandError::Syntax),
    };
    if operation == Operation::Not && args.len() != 4 {
        return Err(CommandError::other("BITOP NOT must be called with a single source key."));
    }
    atomically(ctx, |ctx| {
        let mut data = ctx.data();
        let mut sources: Vec<Vec<u8>> = Vec::new();
        for key in args.iter_from(3) {
            let bytes = data.read_whole(key, |entry| {
                entry.map_or(Ok(Vec::new()), |entry| string_of(entry).map(<[u8]>::to_vec))
            })??;
            sources.push(bytes);
        }
        let result = combine(operation, sources);
        let to = args.at(2);
        if result.is_empty() {
            let there = data.update(to, |entry, draft| {
                if entry.is_some() {
                    draft.remove();
                }
                entry.is_some()
            })?;
            if there {
                data.notify(class::GENERIC, "del", to);
            }
        } else {
            data.set(to, kind::RAW_STRING, &result, None)?;
            data.notify(class::STRING, "set", to);
        }
        ctx.out.integer(result.len() as i64);
        Ok(())
    })
}

/// Combines the strings, the shorter ones with zeros behind them.
fn combine(operation: Operation, mut sources: Vec<Vec<u8>>) -> Vec<u8> {
    let len = sources.iter().map(Vec::len).max().unwrap_or(0);
    let mut result = sources.swap_remove(0);
    result.resize(len, 0);
    if operation == Operation::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    for source in sources {
        let (common, rest) = result.split_at_mut(source.len());
        let pairs = common.iter_mut().zip(&source);
        match operation {
            Operation::And => {
                pairs.for_each(|(to, from)| *to &= from);
                rest.fill(0);
            }
            Operation::Or => pairs.for_each(|(to, from)| *to |= from),
            Operation::Xor => pairs.for_each(|(to, from)| *to ^= from),
            Operation::Not => {}
        }
    }
    result
}

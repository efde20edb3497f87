//! The command table: families strung together, numbered, and found by name.
//!
//! ```text
//! FAMILIES ──(at compile time)──▶ BY_ID  [row, row, …]      id = row number; subcommands follow their container
//!                                 INDEX  [id + 1 or 0; 1024] open addressing by the hash of the lower-case name
//! ```

use super::row::Command;
use super::{
    acl, bitmap, client, command_log, config, connection, database, debug, function, geo, hash,
    hyperloglog, info, interactive, keys, list, meta, monitor, past, persistence, pubsub,
    replication, script, server, set, snapshot, sort, sorted_set, stream, string, transaction,
    versioned, watching,
};
use crate::resp::Args;

/// Add a family here: one line.
static FAMILIES: &[&[Command]] = &[
    connection::ROWS,
    client::ROWS,
    string::ROWS,
    bitmap::ROWS,
    hyperloglog::ROWS,
    keys::ROWS,
    database::ROWS,
    hash::ROWS,
    set::ROWS,
    list::ROWS,
    sorted_set::ROWS,
    geo::ROWS,
    sort::ROWS,
    stream::ROWS,
    transaction::ROWS,
    interactive::ROWS,
    versioned::ROWS,
    past::ROWS,
    pubsub::ROWS,
    snapshot::ROWS,
    server::ROWS,
    acl::ROWS,
    info::ROWS,
    config::ROWS,
    meta::ROWS,
    monitor::ROWS,
    watching::ROWS,
    command_log::ROWS,
    persistence::ROWS,
    replication::ROWS,
    debug::ROWS,
    function::ROWS,
    script::ROWS,
];

/// The number of a command or subcommand: dense, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommandId(u16);

/// What a name stands for, if anything.
pub(crate) type Named = Option<(CommandId, &'static Command)>;

impl CommandId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

const COUNT: usize = {
    let mut n = 0;
    let mut f = 0;
    while f < FAMILIES.len() {
        let mut i = 0;
        while i < FAMILIES[f].len() {
            n += 1 + FAMILIES[f][i].subcommands.len();
            i += 1;
        }
        f += 1;
    }
    n
};
/// Four times the commands that Redis has: probes stay short.
const INDEX_SLOTS: usize = 1024;

static BY_ID: [&Command; COUNT] = {
    let mut rows: [&Command; COUNT] = [&FAMILIES[0][0]; COUNT];
    let mut n = 0;
    let mut f = 0;
    while f < FAMILIES.len() {
        let mut i = 0;
        while i < FAMILIES[f].len() {
            let row = &FAMILIES[f][i];
            rows[n] = row;
            n += 1;
            let mut s = 0;
            while s < row.subcommands.len() {
                rows[n] = &row.subcommands[s];
                n += 1;
                s += 1;
            }
            i += 1;
        }
        f += 1;
    }
    rows
};

static INDEX: [u16; INDEX_SLOTS] = {
    let mut index = [0u16; INDEX_SLOTS];
    let mut id = 0;
    while id < COUNT {
        let mut slot = name_hash(BY_ID[id].name.as_bytes());
        while index[slot] != 0 {
            slot = (slot + 1) % INDEX_SLOTS;
        }
        index[slot] = id as u16 + 1;
        id += 1 + BY_ID[id].subcommands.len();
    }
    index
};

const fn name_hash(name: &[u8]) -> usize {
    let mut h = name.len() as u32;
    let mut i = 0;
    while i < name.len() {
        h = (h ^ (name[i] | 0x20) as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    (h ^ (h >> 15)) as usize % INDEX_SLOTS
}

/// The longest name; anything longer is unknown without hashing it.
const MAX_NAME_BYTES: usize = 64;

/// Finds a top-level command by its name in any case.
///
/// # Cost
/// One hash over the name, one or two probes, no allocation.
pub(crate) fn lookup(name: &[u8]) -> Named {
    if name.len() > MAX_NAME_BYTES {
        return None;
    }
    let mut slot = name_hash(name);
    loop {
        let id = INDEX[slot].checked_sub(1)?;
        let row = BY_ID[id as usize];
        if row.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some((CommandId(id), row));
        }
        slot = (slot + 1) % INDEX_SLOTS;
    }
}

/// Finds a subcommand of the command `id`.
pub(crate) fn lookup_subcommand(
    id: CommandId,
    name: &[u8],
) -> Option<(CommandId, &'static Command)> {
    let i = by_id(id)
        .subcommands
        .iter()
        .position(|s| s.short_name().as_bytes().eq_ignore_ascii_case(name))?;
    let id = CommandId(id.0 + 1 + i as u16);
    Some((id, by_id(id)))
}

/// Finds `get` or `config|get`.
pub(crate) fn find(name: &[u8]) -> Option<(CommandId, &'static Command)> {
    match name.iter().position(|b| *b == b'|') {
        None => lookup(name),
        Some(bar) => {
            let (id, _) = lookup(&name[..bar])?;
            lookup_subcommand(id, &name[bar + 1..])
        }
    }
}

/// Finds the command of a request, or its subcommand.
pub(crate) fn lookup_request(args: Args<'_>) -> Option<(CommandId, &'static Command)> {
    let (id, command) = args.get(0).and_then(lookup)?;
    match args.get(1) {
        Some(name) if !command.subcommands.is_empty() => lookup_subcommand(id, name),
        _ => Some((id, command)),
    }
}

/// The row of a number.
pub(crate) fn by_id(id: CommandId) -> &'static Command {
    BY_ID[id.index()]
}

/// Rows in all, subcommands included.
pub(crate) const fn count() -> usize {
    COUNT
}

/// Every top-level command.
pub(crate) fn all() -> impl Iterator<Item = &'static Command> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// Every row, subcommands included, with its number.
pub(crate) fn rows() -> impl Iterator<Item = (CommandId, &'static Command)> {
    BY_ID.iter().enumerate().map(|(i, row)| (CommandId(i as u16), *row))
}

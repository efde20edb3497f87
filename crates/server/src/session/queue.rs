//! [`Queue`]: the commands between MULTI and EXEC, copied out of the read buffer into one block.

use crate::command::{CommandId, Group, by_id, flag};
use crate::resp::{ArgRange, Args};

struct Queued {
    id: CommandId,
    bytes_at: usize,
    ranges_at: usize,
    ranges_len: usize,
}

/// Queued commands, in order.
#[derive(Default)]
pub(crate) struct Queue {
    bytes: Vec<u8>,
    ranges: Vec<ArgRange>,
    commands: Vec<Queued>,
}

impl Queue {
    pub(crate) fn push(&mut self, id: CommandId, args: Args<'_>) {
        let bytes_at = self.bytes.len();
        let ranges_at = self.ranges.len();
        for arg in args.iter_from(0) {
            let start = (self.bytes.len() - bytes_at) as u32;
            self.bytes.extend_from_slice(arg);
            self.ranges.push(ArgRange { start, len: arg.len() as u32 });
        }
        self.commands.push(Queued { id, bytes_at, ranges_at, ranges_len: args.len() });
    }
    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }
    /// Whether a command of it changes the server itself, users, settings or functions: neither waits for the transaction's end,
    /// nor is undone when the transaction runs again.
    pub(crate) fn acts_at_once(&self) -> bool {
        self.commands.iter().any(|queued| {
            let row = by_id(queued.id);
            row.has(flag::ADMIN) || row.group == Group::Scripting && row.has(flag::WRITE)
        })
    }
    /// Bytes that were sent for it, and what each command and argument takes beside them.
    pub(crate) fn sent_bytes(&self) -> usize {
        self.bytes.len()
            + self.ranges.len() * size_of::<ArgRange>()
            + self.commands.len() * size_of::<Queued>()
    }
    /// Memory that the queue holds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.capacity()
            + self.ranges.capacity() * size_of::<ArgRange>()
            + self.commands.capacity() * size_of::<Queued>()
    }
    /// The commands with their arguments; as often as wanted (a transaction may rerun).
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (CommandId, Args<'_>)> {
        self.commands.iter().map(|q| {
            let ranges = &self.ranges[q.ranges_at..q.ranges_at + q.ranges_len];
            (q.id, Args::new(&self.bytes[q.bytes_at..], ranges))
        })
    }
}

//! [`Queue`]: the commands between MULTI and EXEC, copied out of the read buffer into blocks.
//!
//! A full block stays where it is: no command of a hundred thousand has to wait until those before it have been moved.

use crate::command::{CommandId, Group, by_id, flag};
use crate::resp::{ArgRange, Args};

struct Queued {
    id: CommandId,
    bytes_at: usize,
    ranges_at: usize,
    ranges_len: usize,
}

/// After so many commands or bytes a block is full.
const BLOCK_COMMANDS: usize = 512;
const BLOCK_BYTES: usize = 64 * 1024;

#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    ranges: Vec<ArgRange>,
    commands: Vec<Queued>,
}

impl Block {
    fn push(&mut self, id: CommandId, args: Args<'_>) {
        let bytes_at = self.bytes.len();
        let ranges_at = self.ranges.len();
        for arg in args.iter_from(0) {
            let start = (self.bytes.len() - bytes_at) as u32;
            self.bytes.extend_from_slice(arg);
            self.ranges.push(ArgRange { start, len: arg.len() as u32 });
        }
        self.commands.push(Queued { id, bytes_at, ranges_at, ranges_len: args.len() });
    }
    fn is_full(&self) -> bool {
        self.commands.len() >= BLOCK_COMMANDS || self.bytes.len() >= BLOCK_BYTES
    }
    fn sent_bytes(&self) -> usize {
        self.bytes.len()
            + self.ranges.len() * size_of::<ArgRange>()
            + self.commands.len() * size_of::<Queued>()
    }
    fn bytes(&self) -> usize {
        self.bytes.capacity()
            + self.ranges.capacity() * size_of::<ArgRange>()
            + self.commands.capacity() * size_of::<Queued>()
    }
    fn iter(&self) -> impl Iterator<Item = (CommandId, Args<'_>)> {
        self.commands.iter().map(|q| {
            let ranges = &self.ranges[q.ranges_at..q.ranges_at + q.ranges_len];
            (q.id, Args::new(&self.bytes[q.bytes_at..], ranges))
        })
    }
}

/// What full blocks have together.
#[derive(Default)]
struct Full {
    commands: usize,
    sent_bytes: usize,
    bytes: usize,
}

/// Queued commands, in order.
#[derive(Default)]
pub(crate) struct Queue {
    blocks: Vec<Block>,
    full: Full,
    /// The block that commands are added to.
    last: Block,
}

impl Queue {
    pub(crate) fn push(&mut self, id: CommandId, args: Args<'_>) {
        if self.last.is_full() {
            let block = std::mem::take(&mut self.last);
            self.full.commands += block.commands.len();
            self.full.sent_bytes += block.sent_bytes();
            self.full.bytes += block.bytes();
            self.blocks.push(block);
        }
        self.last.push(id, args);
    }
    pub(crate) fn len(&self) -> usize {
        self.full.commands + self.last.commands.len()
    }
    /// Whether a command of it changes the server itself, users, settings or functions: neither waits for the transaction's end,
    /// nor is undone when the transaction runs again.
    pub(crate) fn acts_at_once(&self) -> bool {
        self.iter().any(|(id, _)| {
            let row = by_id(id);
            row.has(flag::ADMIN) || row.group == Group::Scripting && row.has(flag::WRITE)
        })
    }
    /// Bytes that were sent for it, and what each command and argument takes beside them.
    pub(crate) fn sent_bytes(&self) -> usize {
        self.full.sent_bytes + self.last.sent_bytes()
    }
    /// Memory that the queue holds.
    pub(crate) fn bytes(&self) -> usize {
        self.full.bytes + self.blocks.capacity() * size_of::<Block>() + self.last.bytes()
    }
    /// The commands with their arguments; as often as wanted (a transaction may rerun).
    pub(crate) fn iter(&self) -> impl Iterator<Item = (CommandId, Args<'_>)> {
        self.blocks.iter().chain([&self.last]).flat_map(Block::iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::lookup;

    #[test]
    fn commands_come_back_in_order_from_however_many_blocks() {
        let (mut queue, mut sent) = (Queue::default(), 0);
        let (id, _) = lookup(b"set").unwrap();
        for number in 0..3 * BLOCK_COMMANDS {
            let bytes = format!("SETkey{number:06}value");
            let ranges = [(0, 3), (3, 9), (12, 5)].map(|(start, len)| ArgRange { start, len });
            queue.push(id, Args::new(bytes.as_bytes(), &ranges));
            sent += bytes.len() + size_of_val(&ranges) + size_of::<Queued>();
        }
        assert_eq!((queue.len(), queue.sent_bytes()), (3 * BLOCK_COMMANDS, sent));
        assert!((sent..3 * sent).contains(&queue.bytes()));
        assert_eq!(queue.blocks.len(), 2);
        let mut number = 0;
        for (found, args) in queue.iter() {
            assert_eq!((found == id, args.len(), args.at(2)), (true, 3, &b"value"[..]));
            assert_eq!(args.at(1), format!("key{number:06}").as_bytes());
            number += 1;
        }
        assert_eq!(number, queue.len());
    }
}

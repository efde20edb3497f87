//! Streams in Redis's form: listpacks of entries, the counters, the groups.
//!
//! ```text
//!  nodes: (master id 16 bytes, big-endian; listpack)… │ length │ last id │ first id │ largest deleted id │ entries added │ groups…
//!  listpack: count · deleted · n · n field names · 0 │ entry: flags · ms − master's · seq − master's · [n ·] fields and values · parts │ …
//!  group: name · last id · entries read │ pending: (id, ms u64, deliveries)… │ consumers: (name, seen ms u64, [active ms,] ids…)…
//! ```
//! Ids beside listpacks and lists of pending ones are two lengths; an unknown number of entries read is all ones.
//!
//! Written as Redis 7.0 does (type 19); read as 5.0 (15), 7.0 and 7.2 (21) write it.

use super::error::RdbError;
use super::kind_byte as kind;
use super::packed::listpack;
use super::sink::Sink;
use super::source::Source;
use crate::value::{Group, NodeLimits, Stream, StreamEntry, StreamId};
use std::io::Read;
use std::sync::Arc;

/// Entries of a listpack that is written.
const NODE_ENTRIES: usize = 100;
const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;
/// "Not known", as a number of entries read.
const UNKNOWN: u64 = u64::MAX;
/// Nothing is split by it.
const ANY: NodeLimits = NodeLimits::NONE;

fn raw_id(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}

fn id_of(raw: [u8; 16]) -> StreamId {
    let both = u128::from_be_bytes(raw);
    StreamId { ms: (both >> 64) as u64, seq: both as u64 }
}

/// A listpack that grows.
struct Packing {
    bytes: Vec<u8>,
    count: usize,
}

impl Packing {
    fn new() -> Self {
        Packing { bytes: vec![0; 6], count: 0 }
    }

    fn text(&mut self, text: &[u8]) {
        let start = self.bytes.len();
        match text.len() {
            len @ ..64 => self.bytes.push(0x80 | len as u8),
            len @ ..4096 => self.bytes.extend([0xe0 | (len >> 8) as u8, len as u8]),
            len => {
                self.bytes.push(0xf0);
                self.bytes.extend((len as u32).to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(text);
        self.end(start);
    }

    fn number(&mut self, number: i64) {
        let start = self.bytes.len();
        match u8::try_from(number) {
            Ok(small @ ..0x80) => self.bytes.push(small),
            _ => {
                self.bytes.push(0xf4);
                self.bytes.extend(number.to_le_bytes());
            }
        }
        self.end(start);
    }

    /// The element's length behind it, to be read from its end.
    fn end(&mut self, start: usize) {
        let len = self.bytes.len() - start;
        let groups = match len {
            0..0x80 => 1,
            0x80..0x4000 => 2,
            0x4000..0x20_0000 => 3,
            0x20_0000..0x1000_0000 => 4,
            _ => 5,
        };
        for group in (0..groups).rev() {
            let is_first = group + 1 == groups;
            self.bytes.push((len >> (7 * group)) as u8 & 0x7f | if is_first { 0 } else { 0x80 });
        }
        self.count += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.push(0xff);
        let total = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&total.to_le_bytes());
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

/// Writes a stream's value.
pub(super) fn encode(stream: &Stream, sink: &mut Sink) {
    let entries: Vec<_> = stream.range(StreamId::ZERO, StreamId::MAX).collect();
    sink.length(entries.len().div_ceil(NODE_ENTRIES) as u64);
    for node in entries.chunks(NODE_ENTRIES) {
        let master = node[0].0;
        sink.string(&raw_id(master));
        sink.string(&pack(master, node));
    }
    sink.length(stream.len());
    for id in [stream.last_id, stream.first_id(), stream.max_deleted_id] {
        write_id(id, sink);
    }
    sink.length(stream.added);
    sink.length(stream.groups.size() as u64);
    for (name, group) in stream.groups.iter() {
        sink.string(name);
        encode_group(group, sink);
    }
}

fn write_id(id: StreamId, sink: &mut Sink) {
    sink.length(id.ms);
    sink.length(id.seq);
}

fn pack(master: StreamId, node: &[(StreamId, &StreamEntry)]) -> Vec<u8> {
    let mut packing = Packing::new();
    packing.number(node.len() as i64);
    packing.number(0);
    let names = node[0].1.len() / 2;
    packing.number(names as i64);
    node[0].1.parts().step_by(2).for_each(|name| packing.text(name));
    packing.number(0);
    for (id, entry) in node {
        packing.number(0);
        packing.number(id.ms.wrapping_sub(master.ms) as i64);
        packing.number(id.seq.wrapping_sub(master.seq) as i64);
        packing.number(entry.len() as i64 / 2);
        entry.parts().for_each(|part| packing.text(part));
        packing.number(entry.len() as i64 + 4);
    }
    packing.finish()
}

fn encode_group(group: &Group, sink: &mut Sink) {
    write_id(group.last_id, sink);
    sink.length(group.entries_read.unwrap_or(UNKNOWN));
    sink.length(group.pending.size() as u64);
    for (id, pending) in group.pending.iter() {
        sink.raw(&raw_id(*id));
        sink.raw(&pending.delivered_ms.to_le_bytes());
        sink.length(pending.deliveries);
    }
    sink.length(group.consumers.size() as u64);
    for consumer in group.consumers.values() {
        sink.string(&consumer.name);
        sink.raw(&consumer.seen_ms.to_le_bytes());
        sink.length(consumer.pending.size() as u64);
        consumer.pending.iter().for_each(|id| sink.raw(&raw_id(*id)));
    }
}

impl<R: Read> Source<R> {
    /// A stream of one of the three types.
    pub(super) fn stream(&mut self, byte: u8) -> Result<Stream, RdbError> {
        let mut stream = Stream::new();
        for _ in 0..self.length()? {
            let Ok(master) = <[u8; 16]>::try_from(self.string()?) else {
                return self.corrupt("the id of a stream's node is none");
            };
            let node = self.string()?;
            let elements =
                listpack(&node).and_then(|parts| unpack(id_of(master), &parts, &mut stream));
            if elements.is_none() {
                return self.corrupt("a stream's node is not sound");
            }
        }
        if self.length()? != stream.len() {
            return self.corrupt("a stream has another number of entries");
        }
        stream.last_id = self.id()?;
        if byte == kind::STREAM {
            stream.added = stream.len();
        } else {
            let _first = self.id()?;
            stream.max_deleted_id = self.id()?;
            stream.added = self.length()?;
        }
        for _ in 0..self.length()? {
            let name = self.string()?;
            let group = self.group(byte)?;
            stream.groups.insert_mut(name.into(), Arc::new(group));
        }
        Ok(stream)
    }

    fn id(&mut self) -> Result<StreamId, RdbError> {
        Ok(StreamId { ms: self.length()?, seq: self.length()? })
    }

    fn group(&mut self, byte: u8) -> Result<Group, RdbError> {
        let last_id = self.id()?;
        let read = if byte == kind::STREAM { UNKNOWN } else { self.length()? };
        let mut group = Group::new(last_id, Some(read).filter(|read| *read != UNKNOWN));
        let mut pending = Vec::new();
        for _ in 0..self.length()? {
            let id = id_of(self.array()?);
            pending.push((id, u64::from_le_bytes(self.array()?), self.length()?));
        }
        for _ in 0..self.length()? {
            let name = self.string()?;
            group.see(&name, u64::from_le_bytes(self.array()?));
            if byte == kind::STREAM_3 {
                let active_ms = i64::from_le_bytes(self.array()?);
                if let Ok(active_ms) = u64::try_from(active_ms) {
                    group.note_active(&name, active_ms);
                }
            }
            for _ in 0..self.length()? {
                let id = id_of(self.array()?);
                let Ok(at) = pending.binary_search_by_key(&id, |(id, ..)| *id) else {
                    return self.corrupt("a consumer has an entry that its group has not");
                };
                let (_, delivered_ms, deliveries) = pending[at];
                group.deliver(id, &name, delivered_ms, deliveries);
            }
        }
        if group.pending.size() != pending.len() {
            return self.corrupt("a group has entries that no consumer has");
        }
        Ok(group)
    }
}

/// Adds a node's entries to a stream; `None` if they are none.
fn unpack(master: StreamId, parts: &[Vec<u8>], stream: &mut Stream) -> Option<()> {
    let mut rest = parts.iter();
    let mut number = || std::str::from_utf8(rest.next()?).ok()?.parse::<i64>().ok();
    let (live, deleted, names) = (number()?, number()?, number()?);
    let names_end = usize::try_from(names).ok()?.checked_add(3)?;
    let names = parts.get(3..names_end)?;
    let mut at = names_end + 1;
    for _ in 0..live.checked_add(deleted)? {
        let number = |at: usize| std::str::from_utf8(parts.get(at)?).ok()?.parse::<i64>().ok();
        let (flags, ms, seq) = (number(at)?, number(at + 1)?, number(at + 2)?);
        at += 3;
        let entry: Vec<&[u8]> = if flags & SAME_FIELDS != 0 {
            let values = parts.get(at..at.checked_add(names.len())?)?;
            at += names.len();
            names.iter().zip(values).flat_map(|(name, value)| [&name[..], value]).collect()
        } else {
            let count = usize::try_from(number(at)?).ok()?.checked_mul(2)?;
            let own = parts.get(at + 1..(at + 1).checked_add(count)?)?;
            at += 1 + count;
            own.iter().map(|part| &part[..]).collect()
        };
        // Behind the entry stands how many parts it has.
        at += 1;
        let id = StreamId {
            ms: master.ms.wrapping_add(ms as u64),
            seq: master.seq.wrapping_add(seq as u64),
        };
        if flags & DELETED == 0 {
            if stream.len() > 0 && id <= stream.last_id {
                return None;
            }
            stream.append(id, entry.into_iter(), ANY);
        }
    }
    (at == parts.len()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_comes_back_with_its_groups() {
        let mut stream = Stream::new();
        for ms in 0..250u64 {
            let long = vec![b'x'; ms as usize * 40];
            let parts = [&b"field"[..], &long, b"other", b"12"];
            stream.append(StreamId { ms: ms * ms, seq: ms + 1 }, parts.into_iter(), ANY);
        }
        stream.delete(StreamId { ms: 100, seq: 11 });
        let mut group = Group::new(StreamId { ms: 4, seq: 3 }, None);
        group.see(b"reader", 77);
        group.see(b"idle", 78);
        group.deliver(StreamId { ms: 4, seq: 3 }, b"reader", 99, 5);
        stream.groups.insert_mut(b"group"[..].into(), Arc::new(group));
        let mut sink = Sink::new(true);
        encode(&stream, &mut sink);
        let mut source = Source::over(&sink.bytes);
        let back = source.stream(kind::STREAM_2).unwrap();
        assert!(source.is_at_end().unwrap());
        assert!(
            back.range(StreamId::ZERO, StreamId::MAX)
                .map(|(id, entry)| (id, entry.parts().collect::<Vec<_>>()))
                .eq(stream
                    .range(StreamId::ZERO, StreamId::MAX)
                    .map(|(id, entry)| (id, entry.parts().collect::<Vec<_>>())))
        );
        assert_eq!(
            (back.added, back.last_id, back.max_deleted_id),
            (stream.added, stream.last_id, stream.max_deleted_id)
        );
        assert_eq!(back.groups, stream.groups);
    }

    #[test]
    fn nodes_that_share_their_field_names_are_read() {
        let mut packing = Packing::new();
        [2, 1, 1].into_iter().for_each(|number| packing.number(number));
        packing.text(b"name");
        packing.number(0);
        for (flags, ms, value) in [(2, 0, b"a"), (3, 1, b"b"), (2, 5, b"c")] {
            [flags, ms, 0].into_iter().for_each(|number| packing.number(number));
            packing.text(value);
            packing.number(4);
        }
        let parts = listpack(&packing.finish()).unwrap();
        let mut stream = Stream::new();
        assert_eq!(unpack(StreamId { ms: 10, seq: 0 }, &parts, &mut stream), Some(()));
        let ids: Vec<u64> =
            stream.range(StreamId::ZERO, StreamId::MAX).map(|(id, _)| id.ms).collect();
        assert_eq!(ids, [10, 15]);
    }
}

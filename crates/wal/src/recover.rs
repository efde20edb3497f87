//! Recovery: what the files hold is looked through, brought back, and the log goes on behind it.
//!
//! ```text
//!  survey    which files there are, whether any is missing; the newest checkpoint's head; the end of the log
//!  replay    from the newest change back: segment after segment, the last one first, each worker the keys that fall to it, while the one
//!            before is read; then the checkpoint, its blocks in parallel. The first change of a key that comes is the one that holds
//!  resume    the torn tail is cut off, a new segment begun, the old one sealed; what the checkpoint made needless is removed
//! ```
//! # Invariants
//! 1. Until `resume` no file is changed; and `resume` comes only when all of them were found good.
//! 2. Of each key the changes are shown against the order of the log, since one worker sees them all, and the checkpoint's comes last. What is
//!    not later than the checkpoint is passed by, so what comes out is: the checkpoint's cut, or that of the last whole frame, whichever is later.
//! 3. Timestamps go on [`TIMESTAMPS_LEFT_OUT`] above the latest that any file knows of, so that none that was given before, and was lost, is given
//!    again.

use crate::checkpoint::{self, Block, CheckpointHead, checkpoint_name, checkpoint_timestamp};
use crate::error::OpenError;
use crate::expected::Expected;
use crate::files::Directory;
use crate::frame::{FrameKind, SegmentHead};
use crate::log::{Log, Unsealed, segment_name, segment_number};
use crate::record::Record;
use crate::segment::{Segment, Wanted};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use stillpoint_primitive::sync::thread;

/// More than any store can commit before the log knows of it; of 2^51 timestamps this leaves room for 8 million openings.
const TIMESTAMPS_LEFT_OUT: u64 = 1 << 28;

/// What opening a directory found and did.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The timestamp of the checkpoint that was loaded.
    pub checkpoint: Option<u64>,
    /// Keys that the checkpoint had.
    pub checkpoint_records: u64,
    /// Segments of the log that were read.
    pub segments: u64,
    /// Bytes of those.
    pub log_bytes: u64,
    /// Changes that the log had, later than the checkpoint.
    pub log_records: u64,
    /// Bytes that were cut off at the log's end: they had not been written whole, and nothing of them was promised to be on the device.
    pub cut_bytes: u64,
    /// The segment that they were cut off, if any were.
    pub cut_file: Option<String>,
    /// Whether the log had been closed in order.
    pub was_closed: bool,
    /// The latest timestamp that was found. New ones are larger.
    pub last_timestamp: u64,
}

impl Recovery {
    fn note(&mut self, segment: &Segment) {
        self.segments += 1;
        self.log_bytes += segment.end as u64;
    }
}

/// What takes the records, by the hands of several workers.
pub(crate) trait Sink: Sync {
    /// Takes records of keys that fall to `part` of `parts`, the last one first. A key that came before stays as it is. How many fell to the part.
    fn take(&self, part: u32, parts: u32, records: &[Record<'_>]) -> Result<u64, OpenError>;
}

/// What the files of a directory are.
pub(crate) struct Found {
    store: u64,
    checkpoint: Option<checkpoint::Reader>,
    /// The first one that is needed.
    first_segment: u64,
    /// The last one with something in it.
    tail: Option<Segment>,
    /// Those before it that were read already, one by one back.
    read_already: Vec<Segment>,
    new_segment: u64,
    last_timestamp: u64,
    needless: Vec<String>,
}

/// Looks at what there is, and changes nothing.
pub(crate) fn survey(directory: &dyn Directory) -> Result<Found, OpenError> {
    let names = directory.list().map_err(OpenError::io("list", "."))?;
    let segments: BTreeSet<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
    let checkpoints: BTreeSet<u64> =
        names.iter().filter_map(|name| checkpoint_timestamp(name)).collect();
    let newest = checkpoints.last();
    let checkpoint =
        newest.map(|&timestamp| checkpoint::Reader::open(directory, timestamp)).transpose()?;
    let head = checkpoint.as_ref().map(|checkpoint| checkpoint.head);
    let first_segment = head.map_or(1, |head| head.first_segment);
    // A segment that was not finished is written over in any case.
    let mut needless: Vec<String> =
        names.into_iter().filter(|name| name == checkpoint::NEW).collect();
    needless.extend(segments.range(..first_segment).map(|&number| segment_name(number)));
    needless
        .extend(checkpoints.range(..newest.copied().unwrap_or(0)).map(|&at| checkpoint_name(at)));
    let mut found = Found {
        store: head.map_or_else(new_store, |head| head.store),
        checkpoint,
        first_segment,
        tail: None,
        read_already: Vec::new(),
        new_segment: first_segment,
        last_timestamp: head.map_or(0, |head| head.timestamp),
        needless,
    };
    let segments: Vec<u64> = segments.range(first_segment..).copied().collect();
    if head.is_none() && segments.is_empty() {
        return Ok(found);
    }
    if let (None, Some(&first)) = (head, segments.first())
        && first != first_segment
    {
        return Err(OpenError::MissingCheckpoint { first_segment: first });
    }
    let missing = (first_segment..).zip(&segments).find(|(expected, number)| expected != *number);
    if let Some((number, _)) = missing {
        return Err(OpenError::MissingSegment { number });
    }
    let Some(&last) = segments.last() else {
        return Err(OpenError::MissingSegment { number: first_segment });
    };
    found.find_tail(directory, last, head)?;
    Ok(found)
}

/// A number that no other store has, as far as chance can see to it.
fn new_store() -> u64 {
    RandomState::new().hash_one(0u8)
}

impl Found {
    fn find_tail(
        &mut self,
        directory: &dyn Directory,
        last: u64,
        checkpoint: Option<CheckpointHead>,
    ) -> Result<(), OpenError> {
        let store = checkpoint.map(|head| head.store);
        let wanted = Wanted { number: last, store, may_be_torn: true };
        let mut tail = Segment::read(directory, wanted, Vec::new())?;
        self.store = tail.head.store;
        self.last_timestamp = self.last_timestamp.max(tail.last_timestamp());
        self.new_segment = last + 1;
        if tail.is_fresh() {
            // Begun, and perhaps the one before not sealed yet: it is begun anew.
            self.new_segment = last;
            if last == self.first_segment {
                return Ok(());
            }
            let wanted = Wanted { number: last - 1, store: Some(self.store), may_be_torn: true };
            tail = Segment::read(directory, wanted, tail.bytes)?;
            self.last_timestamp = self.last_timestamp.max(tail.last_timestamp());
        } else if tail.is_sealed() {
            return Err(OpenError::MissingSegment { number: last + 1 });
        }
        self.tail = Some(tail);
        Ok(())
    }

    /// The first timestamp that may be given out from here on.
    pub(crate) fn next_timestamp(&self) -> u64 {
        match self.last_timestamp {
            0 => 1,
            last => last + TIMESTAMPS_LEFT_OUT,
        }
    }

    /// The timestamps that are at most this are in the checkpoint.
    fn checkpoint_timestamp(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.head.timestamp)
    }

    /// About how many keys there will be, by the last segment that has any.
    pub(crate) fn expected(&mut self, directory: &dyn Directory) -> Result<Expected, OpenError> {
        let mut expected = Expected::default();
        if let Some(checkpoint) = &self.checkpoint {
            checkpoint.head.keys.iter().for_each(|(space, keys)| expected.add(space, keys));
        }
        let after = self.checkpoint_timestamp();
        let Some(mut last) = self.tail.as_ref() else { return Ok(expected) };
        let mut before = self.first_segment..last.head.number;
        while !expected.add_log(last, after, 1 + (before.end - before.start))? {
            let Some(number) = before.next_back() else { break };
            self.read_already.push(self.read_before(directory, number, Vec::new())?);
            last = self.read_already.last().expect("just pushed");
        }
        Ok(expected)
    }

    /// A segment that has one behind it.
    fn read_before(
        &self,
        directory: &dyn Directory,
        number: u64,
        buffer: Vec<u8>,
    ) -> Result<Segment, OpenError> {
        let wanted = Wanted { number, store: Some(self.store), may_be_torn: false };
        Segment::read(directory, wanted, buffer)
    }

    /// Brings everything back, with so many workers.
    pub(crate) fn replay(
        &mut self,
        directory: &dyn Directory,
        sink: &impl Sink,
        workers: usize,
    ) -> Result<Recovery, OpenError> {
        let mut recovery = Recovery { last_timestamp: self.last_timestamp, ..Recovery::default() };
        if let Some(tail) = &self.tail {
            recovery.cut_bytes = tail.torn_bytes();
            recovery.cut_file = (recovery.cut_bytes > 0).then(|| tail.name.clone());
            recovery.was_closed =
                tail.frames.last().is_some_and(|frame| frame.kind == FrameKind::Close);
        }
        self.replay_log(directory, sink, workers, &mut recovery)?;
        if let Some(checkpoint) = &mut self.checkpoint {
            recovery.checkpoint = Some(checkpoint.head.timestamp);
            recovery.checkpoint_records = load_checkpoint(checkpoint, sink, workers)?;
        }
        Ok(recovery)
    }

    fn replay_log(
        &mut self,
        directory: &dyn Directory,
        sink: &impl Sink,
        workers: usize,
        recovery: &mut Recovery,
    ) -> Result<(), OpenError> {
        let Some(mut segment) = self.tail.take() else { return Ok(()) };
        let after = self.checkpoint_timestamp();
        let mut buffer = Vec::new();
        let mut read_already = std::mem::take(&mut self.read_already).into_iter();
        for number in (self.first_segment..segment.head.number).rev() {
            // Read while the one behind it is applied.
            let read = || match read_already.next() {
                Some(segment) => Ok(segment),
                None => self.read_before(directory, number, std::mem::take(&mut buffer)),
            };
            let (applied, before) = while_applying(&segment, after, sink, workers, read);
            let before = before?;
            if !before.is_sealed() {
                return Err(before.unsealed());
            }
            segment.check_behind(&before)?;
            recovery.log_records += applied?;
            recovery.note(&segment);
            buffer = std::mem::take(&mut segment.bytes);
            let done = std::mem::replace(&mut segment, before);
            self.tail.get_or_insert(done);
        }
        recovery.log_records += while_applying(&segment, after, sink, workers, || ()).0?;
        recovery.note(&segment);
        self.tail.get_or_insert(segment).bytes = Vec::new();
        Ok(())
    }

    /// Makes the directory one that can be written on, and begins to.
    pub(crate) fn resume(
        self,
        directory: Arc<dyn Directory>,
        segment_bytes: u64,
    ) -> Result<Log, OpenError> {
        let first_timestamp = self.next_timestamp();
        let mut before = None;
        if let Some(tail) = self.tail.filter(|tail| !tail.is_sealed()) {
            let end = tail.end as u64;
            let mut file =
                directory.extend(&tail.name, end).map_err(OpenError::io("cut", &tail.name))?;
            file.sync().map_err(OpenError::io("sync", &tail.name))?;
            before = Some(Unsealed { head: tail.head, file, end });
        }
        let head = SegmentHead { store: self.store, number: self.new_segment, first_timestamp };
        let name = segment_name(self.new_segment);
        let log = Log::begin(Arc::clone(&directory), head, before, segment_bytes)
            .map_err(OpenError::io("begin", &name))?;
        for name in self.needless {
            directory.remove(&name).map_err(OpenError::io("remove", &name))?;
        }
        Ok(log)
    }

    pub(crate) fn store(&self) -> u64 {
        self.store
    }
}

/// Removes what a checkpoint makes needless: the checkpoint before it, and the segments before `first_segment`.
pub(crate) fn remove_needless(
    directory: &dyn Directory,
    first_segment: u64,
    checkpoint: Option<u64>,
) -> io::Result<()> {
    for name in directory.list()? {
        if segment_number(&name).is_some_and(|number| number < first_segment)
            || checkpoint.is_some() && checkpoint_timestamp(&name) == checkpoint
        {
            directory.remove(&name)?;
        }
    }
    Ok(())
}

impl Segment {
    fn check_behind(&self, before: &Segment) -> Result<(), OpenError> {
        if before.last_timestamp() < self.head.first_timestamp {
            return Ok(());
        }
        let what = "it begins before the segment before it ends";
        Err(OpenError::Corrupt { file: self.name.clone(), offset: 0, what })
    }
}

/// Applies a segment, each worker the keys that fall to it, and meanwhile runs `beside`.
fn while_applying<T>(
    segment: &Segment,
    after: u64,
    sink: &impl Sink,
    workers: usize,
    beside: impl FnOnce() -> T,
) -> (Result<u64, OpenError>, T) {
    let parts = u32::try_from(workers).unwrap_or(u32::MAX);
    let apply = |part: u32| {
        let mut count = 0;
        segment.frames_back(after, |records| {
            count += sink.take(part, parts, records)?;
            Ok(())
        })?;
        Ok(count)
    };
    thread::scope(|scope| {
        let apply = &apply;
        let workers: Vec<_> = (0..parts).map(|part| scope.spawn(move || apply(part))).collect();
        let beside = beside();
        let counts: Vec<Result<u64, OpenError>> =
            workers.into_iter().map(|worker| worker.join().expect("it does not panic")).collect();
        (counts.into_iter().sum(), beside)
    })
}

fn load_checkpoint(
    checkpoint: &mut checkpoint::Reader,
    sink: &impl Sink,
    workers: usize,
) -> Result<u64, OpenError> {
    let (name, head) = (checkpoint.name.clone(), checkpoint.head);
    let (blocks, received) = mpsc::sync_channel::<Block>(2 * workers);
    let received = Mutex::new(received);
    let next = || received.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
    let (give_back, buffers) = mpsc::channel::<Vec<u8>>();
    let load = |give_back: mpsc::Sender<Vec<u8>>| {
        let (mut result, mut raw) = (Ok(0), Vec::new());
        // Behind an error the rest is taken too, so that nobody waits for this worker.
        while let Some(block) = next() {
            if let Ok(count) = result {
                result = load_block(&block, &name, &head, sink, &mut raw).map(|new| count + new);
            }
            // The reader may be through.
            let _no_longer_wanted = give_back.send(block.into_buffer());
        }
        result
    };
    let (read, loaded) = thread::scope(|scope| {
        let load = &load;
        let workers: Vec<_> = std::iter::repeat_n(give_back, workers)
            .map(|give_back| scope.spawn(move || load(give_back)))
            .collect();
        let read = loop {
            match checkpoint.next_block(buffers.try_recv().unwrap_or_default()) {
                Ok(Some(block)) => {
                    blocks.send(block).expect("the workers take all of them");
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        drop(blocks);
        let loaded: Vec<Result<u64, OpenError>> =
            workers.into_iter().map(|worker| worker.join().expect("it does not panic")).collect();
        (read, loaded.into_iter().sum::<Result<u64, OpenError>>())
    });
    read?;
    let loaded = loaded?;
    if loaded != checkpoint.records {
        let what = "it has not as many keys as it says";
        return Err(OpenError::Corrupt { file: name, offset: HEAD, what });
    }
    Ok(loaded)
}

fn load_block(
    block: &Block,
    name: &str,
    head: &CheckpointHead,
    sink: &impl Sink,
    raw: &mut Vec<u8>,
) -> Result<u64, OpenError> {
    let content = block.content(name, head, raw)?;
    let mut records = Vec::new();
    block.records(name, content, &mut records)?;
    // Each key is in one block only, so it is all the same who takes it.
    sink.take(0, 1, &records)
}

const HEAD: u64 = crate::frame::HEAD_BYTES as u64;

#[cfg(test)]
mod tests;

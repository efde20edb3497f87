//! The edges between transactions: of the data, of sessions, of real time.

use super::graph::{Edge, Kind};
use super::history::History;
use super::versions::Versions;

/// The edges of one key.
pub(crate) fn of_key(versions: &Versions, edges: &mut Vec<Edge>) {
    let Versions { key, writers, reads, unseen, unseen_after } = versions;
    let mut add = |from: Option<usize>, to: Option<usize>, kind| {
        if let (Some(from), Some(to)) = (from, to) {
            edges.push(Edge { from: from as u32, to: to as u32, kind, key: *key });
        }
    };
    for pair in writers.windows(2) {
        add(pair[0], pair[1], Kind::Ww);
    }
    // Versions whose writers did not commit stand between two that did.
    let committed: Vec<usize> = writers.iter().flatten().copied().collect();
    if committed.len() + 1 < writers.len() {
        committed.windows(2).for_each(|pair| add(Some(pair[0]), Some(pair[1]), Kind::Ww));
    }
    for &later in unseen {
        add(writers[*unseen_after], Some(later), Kind::Ww);
    }
    for read in reads {
        let (reader, writer) = (Some(read.transaction), writers[read.version]);
        add(writer, reader, Kind::Wr);
        let kind = if read.by_range { Kind::RwByRange } else { Kind::Rw };
        let next = writers.get(read.version + 1).copied().flatten();
        // What a read of an intermediate version missed is its own writer's.
        if next != writer {
            add(reader, next, kind);
        }
        if read.version == *unseen_after {
            unseen.iter().for_each(|&later| add(reader, Some(later), kind));
        }
    }
}

/// From each transaction to the next of its process.
pub(crate) fn of_sessions(history: &History, edges: &mut Vec<Edge>) {
    let mut last: Vec<Option<u32>> = Vec::new();
    for (number, transaction) in history.transactions().iter().enumerate() {
        if last.len() <= transaction.process {
            last.resize(transaction.process + 1, None);
        }
        if let Some(from) = last[transaction.process].replace(number as u32) {
            edges.push(Edge { from, to: number as u32, kind: Kind::Session, key: 0 });
        }
    }
}

/// From each transaction that had ended to each that then began, less what follows from others.
pub(crate) fn of_time(history: &History, edges: &mut Vec<Edge>) {
    let transactions = history.transactions();
    // What begins and what ends at the same nanosecond overlap.
    let mut events: Vec<(u64, bool, u32)> = Vec::with_capacity(2 * transactions.len());
    for (number, transaction) in transactions.iter().enumerate() {
        events.push((transaction.began, false, number as u32));
        events.push((transaction.ended, true, number as u32));
    }
    events.sort_unstable();
    // Those that have ended and that no other one's beginning has waited for yet.
    let mut frontier: Vec<u32> = Vec::new();
    let mut before: Vec<Vec<u32>> = vec![Vec::new(); transactions.len()];
    for (_, has_ended, number) in events {
        if has_ended {
            let before = std::mem::take(&mut before[number as usize]);
            frontier.retain(|earlier| !before.contains(earlier));
            frontier.push(number);
        } else {
            edges.extend(frontier.iter().map(|&from| Edge {
                from,
                to: number,
                kind: Kind::RealTime,
                key: 0,
            }));
            before[number as usize].clone_from(&frontier);
        }
    }
}

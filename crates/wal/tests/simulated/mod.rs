//! A file system in memory that can be told to fail, to be full, and to lose its power.
//!
//! It remembers of each file what was there at the last `sync`, and of the directory the operations since its last. A power cut keeps what was
//! synced; of the rest any beginning of the directory's operations, and of each file any length and any of its sectors, the others zero.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard};
use stillpoint_wal::{Append, Directory};

const SECTOR: usize = 512;

#[derive(Clone, Default)]
struct Inode {
    data: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Clone)]
enum Change {
    Name(String, usize),
    Remove(String),
    Rename(String, String),
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    /// Since the directory was synced.
    changes: Vec<Change>,
    operations: u64,
    /// From this operation on each one fails: the power is gone.
    dead_at: Option<u64>,
    /// This one operation fails.
    fails_at: Option<u64>,
    /// Bytes that all files may have together.
    capacity: Option<usize>,
    syncs: u64,
}

fn change(names: &mut BTreeMap<String, usize>, change: &Change) {
    match change {
        Change::Name(name, inode) => {
            names.insert(name.clone(), *inode);
        }
        Change::Remove(name) => {
            names.remove(name);
        }
        Change::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
    }
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        let dead = self.dead_at.is_some_and(|at| self.operations >= at);
        if dead || self.fails_at == Some(self.operations) {
            return Err(io::Error::other("simulated"));
        }
        Ok(())
    }

    fn inode(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn alter(&mut self, altered: Change) {
        change(&mut self.names, &altered);
        self.changes.push(altered);
    }

    fn used(&self) -> usize {
        self.names.values().map(|&inode| self.inodes[inode].data.len()).sum()
    }
}

#[derive(Clone, Default)]
pub(crate) struct Simulated(Arc<Mutex<State>>);

struct Handle {
    disk: Simulated,
    inode: usize,
}

impl Simulated {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A directory of these files, all of them on the device.
    pub(crate) fn of(files: &BTreeMap<String, Vec<u8>>) -> Simulated {
        let disk = Simulated::default();
        let mut state = disk.state();
        for (name, data) in files {
            let inode = state.inodes.len();
            state.inodes.push(Inode { data: data.clone(), synced: data.clone() });
            state.names.insert(name.clone(), inode);
        }
        state.synced_names = state.names.clone();
        drop(state);
        disk
    }

    /// The files as a process sees them.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let files = state.names.iter();
        files.map(|(name, &inode)| (name.clone(), state.inodes[inode].data.clone())).collect()
    }

    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Lets everything fail from that operation on.
    pub(crate) fn die_at(&self, operation: u64) {
        self.state().dead_at = Some(operation);
    }

    /// Lets one operation fail.
    pub(crate) fn fail_at(&self, operation: u64) {
        self.state().fails_at = Some(operation);
    }

    pub(crate) fn set_capacity(&self, bytes: Option<usize>) {
        self.state().capacity = bytes;
    }

    /// What is there when the power comes back. `random` gives a number below its argument.
    pub(crate) fn after_power_cut(&self, random: &mut impl FnMut(usize) -> usize) -> Simulated {
        let state = self.state();
        let mut names = state.synced_names.clone();
        for altered in &state.changes[..random(state.changes.len() + 1)] {
            change(&mut names, altered);
        }
        let files = names
            .iter()
            .map(|(name, &inode)| (name.clone(), after_power_cut(&state.inodes[inode], random)));
        Simulated::of(&files.collect())
    }
}

fn after_power_cut(inode: &Inode, random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let Some(more) = inode.data.strip_prefix(&inode.synced[..]) else {
        // It was cut shorter, and that was not synced.
        return [&inode.data, &inode.synced][random(2)].clone();
    };
    let mut data = inode.data[..inode.synced.len() + random(more.len() + 1)].to_vec();
    // All, none, or any of the sectors.
    let odds = random(4);
    let mut at = inode.synced.len();
    while at < data.len() {
        let end = (at / SECTOR * SECTOR + SECTOR).min(data.len());
        if odds == 1 || odds > 1 && random(odds) == 0 {
            data[at..end].fill(0);
        }
        at = end;
    }
    data
}

impl Directory for Simulated {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let state = self.state();
        let data = state.inodes[state.inode(name)?].data.clone();
        Ok(Box::new(Cursor::new(data)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Append>> {
        let mut state = self.state();
        state.step()?;
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.alter(Change::Name(name.to_owned(), inode));
        Ok(Box::new(Handle { disk: self.clone(), inode }))
    }

    fn extend(&self, name: &str, length: u64) -> io::Result<Box<dyn Append>> {
        let mut state = self.state();
        state.step()?;
        let inode = state.inode(name)?;
        state.inodes[inode].data.resize(length as usize, 0);
        Ok(Box::new(Handle { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.inode(from)?;
        state.alter(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.inode(name)?;
        state.alter(Change::Remove(name.to_owned()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.synced_names = state.names.clone();
        state.changes.clear();
        state.syncs += 1;
        Ok(())
    }
}

impl Append for Handle {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let room = state.capacity.map_or(usize::MAX, |most| most.saturating_sub(state.used()));
        let result = state.step();
        // A failing write leaves a part of it.
        let taken = if result.is_err() { bytes.len() / 2 } else { bytes.len() }.min(room);
        state.inodes[self.inode].data.extend_from_slice(&bytes[..taken]);
        result?;
        if taken < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step()?;
        let inode = &mut state.inodes[self.inode];
        inode.synced = inode.data.clone();
        state.syncs += 1;
        Ok(())
    }
}

/// Steele and others' SplitMix64, as a source of numbers below a bound.
pub(crate) fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ word >> 31) % below.max(1) as u64) as usize
    }
}

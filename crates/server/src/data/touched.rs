//! [`Touched`]: keys that a command wrote while clients waited for keys.

/// A bag of keys with their databases; without keys it holds no memory worth mentioning.
#[derive(Default)]
pub(crate) struct Touched {
    bytes: Vec<u8>,
    /// Database, and where the key ends in `bytes`.
    keys: Vec<(u8, usize)>,
    /// Databases that were emptied.
    emptied: Vec<u8>,
    /// Keys that were read by a client that tracks, and how many had been written then.
    reread: Vec<(Box<[u8]>, usize)>,
}

/// Bytes of memory that are kept for the next command.
const KEPT_BYTES: usize = 4096;

impl Touched {
    pub(crate) fn note(&mut self, db: u8, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.keys.push((db, self.bytes.len()));
    }

    pub(crate) fn note_emptied(&mut self, db: u8) {
        self.emptied.push(db);
    }

    /// Notes that a client which tracks reads the key, in the transaction that has written what is here.
    pub(crate) fn note_read(&mut self, key: &[u8]) {
        if !self.keys.is_empty() {
            self.reread.push((key.into(), self.keys.len()));
        }
    }

    /// Whether the key has been read since it was last written: then its reader knows it as it is.
    pub(crate) fn is_reread(&self, key: &[u8]) -> bool {
        let last = self.reread.iter().rev().find(|(known, _)| **known == *key);
        last.is_some_and(|(_, written)| self.keys().skip(*written).all(|(_, other)| other != key))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.emptied.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES {
            *self = Touched::default();
        }
        self.bytes.clear();
        self.keys.clear();
        self.emptied.clear();
        self.reread.clear();
    }

    /// The keys, in the order in which they were written.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut start = 0;
        self.keys.iter().map(move |(db, end)| {
            let key = &self.bytes[start..*end];
            start = *end;
            (*db, key)
        })
    }

    pub(crate) fn emptied(&self) -> &[u8] {
        &self.emptied
    }
}

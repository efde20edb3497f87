//! [`Touched`]: keys that a command wrote while clients waited for keys.

/// A bag of keys with their databases; without keys it holds no memory worth mentioning.
#[derive(Default)]
pub(crate) struct Touched {
    bytes: Vec<u8>,
    /// Database, and where the key ends in `bytes`.
    keys: Vec<(u8, usize)>,
    /// Databases that were emptied.
    emptied: Vec<u8>,
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

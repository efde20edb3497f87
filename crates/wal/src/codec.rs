//! [`Codec`]: how objects become bytes and come back.

/// Turns the objects of a store into bytes for the log, and back. Bytes as values need none.
///
/// What it wrote must be readable by whatever codec opens the directory later: a version number at the beginning helps.
pub trait Codec<O>: Send + Sync + 'static {
    /// Appends the object's bytes to `out`. Runs on the log's thread, behind the write; so it must not write to the store, which would wait for
    /// it. A panic ends the log.
    fn encode(&self, kind: u8, object: &O, out: &mut Vec<u8>);

    /// The object of these bytes.
    ///
    /// # Errors
    /// Why there is none; the store is then not opened.
    fn decode(&self, kind: u8, bytes: &[u8]) -> Result<O, String>;
}

/// For stores whose values are bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct BytesOnly;

impl Codec<()> for BytesOnly {
    fn encode(&self, _kind: u8, (): &(), _out: &mut Vec<u8>) {}

    fn decode(&self, _kind: u8, _bytes: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

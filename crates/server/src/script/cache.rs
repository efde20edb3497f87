//! [`Scripts`]: the scripts that the server knows by their digest, shared by all loops.
//!
//! ```text
//! SCRIPT LOAD ─▶ stays until SCRIPT FLUSH
//! EVAL ────────▶ stays among the 500 used last
//! ```

use super::flags::{Flags, of_script};
use crate::counter::Gauge;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Scripts kept that came by EVAL: as Redis and Valkey keep.
const MAX_EVALUATED: usize = 500;

/// A SHA-1 digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Digest([u8; 20]);

impl Digest {
    pub(crate) fn of(bytes: &[u8]) -> Digest {
        Digest(sha1_smol::Sha1::from(bytes).digest().bytes())
    }
    /// Reads forty hexadecimal digits, in any case.
    pub(crate) fn parse(text: &[u8]) -> Option<Digest> {
        if text.len() != 40 {
            return None;
        }
        let mut digest = [0; 20];
        for (byte, pair) in digest.iter_mut().zip(text.chunks(2)) {
            let digit = |c: u8| (c as char).to_digit(16);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Some(Digest(digest))
    }
    /// Forty digits.
    pub(crate) fn to_hex(self) -> String {
        use std::fmt::Write as _;
        self.0.iter().fold(String::with_capacity(40), |mut text, byte| {
            let written = write!(text, "{byte:02x}");
            debug_assert!(written.is_ok());
            text
        })
    }
}

/// One script.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) digest: Digest,
    pub(crate) body: Box<[u8]>,
    pub(crate) flags: Flags,
    /// Above 0: it took long when it ran last, and does not begin on an event loop.
    pub(crate) takes_long: Gauge,
    /// Where the code begins.
    code_from: usize,
}

impl Script {
    /// Reads the first line of a script.
    ///
    /// # Errors
    /// The text for the client, after `ERR`.
    pub(crate) fn read(digest: Digest, body: &[u8]) -> Result<Script, String> {
        let (flags, code_from) = of_script(body)?;
        Ok(Script { digest, body: body.into(), flags, takes_long: Gauge::default(), code_from })
    }
    pub(super) fn code(&self) -> &[u8] {
        &self.body[self.code_from..]
    }
}

struct Known {
    script: Arc<Script>,
    /// When it was used last; `None` if SCRIPT LOAD keeps it.
    used: Option<u64>,
}

#[derive(Default)]
struct Cache {
    known: HashMap<Digest, Known>,
    by_use: BTreeMap<u64, Digest>,
    uses: u64,
    body_bytes: usize,
}

/// The scripts of the server.
#[derive(Default)]
pub(crate) struct Scripts {
    cache: Mutex<Cache>,
    /// Counts flushes.
    flushes: Gauge,
    pub(crate) evicted: Gauge,
}

impl Scripts {
    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The script of this digest, which is used now.
    pub(crate) fn find(&self, digest: Digest) -> Option<Arc<Script>> {
        let mut cache = self.lock();
        let Cache { known, by_use, uses, .. } = &mut *cache;
        let found = known.get_mut(&digest)?;
        if let Some(used) = &mut found.used {
            by_use.remove(used);
            *uses += 1;
            *used = *uses;
            by_use.insert(*used, digest);
        }
        Some(found.script.clone())
    }
    /// Enters a script that compiles; `loaded`: by SCRIPT LOAD, which keeps it.
    pub(crate) fn enter(&self, script: Arc<Script>, loaded: bool) {
        let mut cache = self.lock();
        let digest = script.digest;
        if let Some(known) = cache.known.get_mut(&digest) {
            if loaded && let Some(used) = known.used.take() {
                cache.by_use.remove(&used);
            }
            return;
        }
        cache.body_bytes += script.body.len();
        cache.uses += 1;
        let used = (!loaded).then_some(cache.uses);
        if let Some(used) = used {
            cache.by_use.insert(used, digest);
        }
        cache.known.insert(digest, Known { script, used });
        while cache.by_use.len() > MAX_EVALUATED
            && let Some((_, oldest)) = cache.by_use.pop_first()
        {
            if let Some(gone) = cache.known.remove(&oldest) {
                cache.body_bytes -= gone.script.body.len();
            }
            self.evicted.add(1);
        }
    }
    pub(crate) fn contains(&self, digest: Digest) -> bool {
        self.lock().known.contains_key(&digest)
    }
    /// Forgets all scripts.
    pub(crate) fn flush(&self) {
        *self.lock() = Cache::default();
        self.flushes.add(1);
    }
    /// How often they have been forgotten.
    pub(super) fn flushes(&self) -> u64 {
        self.flushes.get()
    }
    pub(crate) fn count(&self) -> usize {
        self.lock().known.len()
    }
    /// Bytes that the scripts take here, without what interpreters made of them.
    pub(crate) fn bytes(&self) -> usize {
        let cache = self.lock();
        cache.body_bytes + cache.known.len() * size_of::<(Digest, Known, Script)>()
    }
}

//! [`NewVersion`]: a version until it is published.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[next]`, `[usage]`, `[stamp]` | all Relaxed: nobody else sees the version yet, and the CAS that publishes it releases them |

use super::{
    HAS_EXPIRE, Header, LONG_KEY, LONG_KEY_MARK, MAX_KEY_BYTES, MAX_VALUE_BYTES, NewValue,
    TOMBSTONE, USAGE, USAGE_SHIFT, ValueRef, WORD, block_bytes, expiry_of, key_of, reclaim,
    value_of,
};
use crate::index::error::AllocError;
use crate::index::stamp;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use stillpoint_pool::Pool;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};
use stillpoint_reclaim::Guard;

/// A version that nobody else can see yet. Dropping it frees it.
pub struct NewVersion<O: Send + Sync + 'static> {
    block: NonNull<Header>,
    owns: PhantomData<Arc<O>>,
}

// SAFETY: it owns its block alone, which any thread may free, and the object in it is `Send + Sync`.
unsafe impl<O: Send + Sync + 'static> Send for NewVersion<O> {}
// SAFETY: shared, it is only read, but for what `&mut self` changes.
unsafe impl<O: Send + Sync + 'static> Sync for NewVersion<O> {}

impl<O: Send + Sync + 'static> NewVersion<O> {
    /// Makes a version of anything.
    pub(crate) fn build(
        pool: &Pool,
        key: &[u8],
        value: NewValue<'_, O>,
        kind: u8,
        expire_at: Option<u64>,
        object_bytes: fn(&O) -> usize,
    ) -> Result<Self, AllocError> {
        let value_len = value.len();
        let told_len = match &value {
            NewValue::Object(object) => object_bytes(object).div_ceil(WORD).min(u32::MAX as usize),
            _ => value_len,
        };
        let lens = (key.len(), value_len, told_len);
        let mut fill = Filler::begin(pool, lens, value.flags(), kind, expire_at)?;
        match value {
            NewValue::Object(object) => {
                // SAFETY: there is room for what `begin` was told of: OBJECT is one of the counted words, and the key.
                unsafe { fill.put(object) };
                // SAFETY: as above.
                unsafe { fill.put_bytes(key) };
            }
            NewValue::Tombstone => {
                // SAFETY: as above.
                unsafe { fill.put_bytes(key) }
            }
            NewValue::Bytes(bytes) => {
                // SAFETY: as above.
                unsafe { fill.put_bytes(key) };
                // SAFETY: as above.
                unsafe { fill.put_bytes(bytes) };
            }
            NewValue::Parts(parts) => {
                // SAFETY: as above.
                unsafe { fill.put_bytes(key) };
                for part in parts {
                    // SAFETY: as above; `value_len` is the sum of the parts' lengths.
                    unsafe { fill.put_bytes(part) };
                }
            }
        }
        Ok(Self { block: fill.finish(pool), owns: PhantomData })
    }

    /// As `build`, of bytes, as most are: nothing is asked that is known.
    pub(crate) fn of_bytes(
        pool: &Pool,
        key: &[u8],
        bytes: &[u8],
        kind: u8,
        expire_at: Option<u64>,
    ) -> Result<Self, AllocError> {
        let lens = (key.len(), bytes.len(), bytes.len());
        let mut fill = Filler::begin(pool, lens, 0, kind, expire_at)?;
        // SAFETY: there is room for what `begin` was told of.
        unsafe { fill.put_bytes(key) };
        // SAFETY: as above.
        unsafe { fill.put_bytes(bytes) };
        Ok(Self { block: fill.finish(pool), owns: PhantomData })
    }

    fn header(&self) -> &Header {
        // SAFETY: the block was initialised by a `Filler` and is owned by `self`.
        unsafe { self.block.as_ref() }
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        // SAFETY: as in `header`; the key lives as long as the block.
        unsafe { key_of(self.block.as_ptr()) }
    }

    /// Bytes of the pool's block.
    pub fn bytes(&self) -> usize {
        // SAFETY: as in `header`.
        unsafe { block_bytes(self.block.as_ptr()) }
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> ValueRef<'_, O> {
        // SAFETY: as in `header`; what it holds lives as long as the block.
        unsafe { value_of(self.block.as_ptr()) }
    }

    /// The kind byte that it was made with.
    pub fn kind(&self) -> u8 {
        self.header().kind()
    }

    /// When it expires, in the caller's unit.
    pub fn expire_at(&self) -> Option<u64> {
        // SAFETY: as in `header`.
        unsafe { expiry_of(self.block.as_ptr()) }
    }

    /// Whether it says that the key is absent.
    pub fn is_tombstone(&self) -> bool {
        self.header().has(TOMBSTONE)
    }

    /// Bytes that its object has elsewhere, rounded up to words.
    pub fn object_bytes(&self) -> usize {
        self.header().object_bytes()
    }

    /// Sets the usage that the version begins with (0 if nobody does).
    #[inline]
    pub fn set_usage(&mut self, usage: u16) {
        // Relaxed [usage]: unpublished
        self.header().next.store(u64::from(usage) << USAGE_SHIFT, Ordering::Relaxed);
    }

    pub(crate) fn address(&self) -> u64 {
        self.block.as_ptr().expose_provenance() as u64
    }

    /// Makes the version ready to be published under `guard` on top of `older` (0: on top of nothing).
    #[inline]
    pub(crate) fn prepare(&mut self, guard: &Guard<'_>, older: u64, stamp: u64) {
        // SAFETY: a live block of the pool, which `self` owns.
        unsafe { Pool::set_birth(self.block.cast(), guard.birth().get()) };
        // Relaxed [usage]: unpublished
        let usage = self.header().next.load(Ordering::Relaxed) & USAGE;
        // Relaxed [next]: unpublished; the CAS that publishes releases it
        self.header().next.store(older | usage, Ordering::Relaxed);
        // Relaxed [stamp]: unpublished; the CAS that publishes releases it
        self.header().stamp.store(stamp, Ordering::Relaxed);
    }

    /// Published: the index owns the block from here.
    pub(crate) fn published(self) -> NonNull<Header> {
        let block = self.block;
        std::mem::forget(self);
        block
    }
}

impl<O: Send + Sync + 'static> Drop for NewVersion<O> {
    fn drop(&mut self) {
        // SAFETY: [invariant 2] nobody else has looked at the block, and `self` owns it.
        unsafe { reclaim::<O>(self.block.as_ptr().cast()) };
    }
}

impl<O: Send + Sync + 'static> fmt::Debug for NewVersion<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewVersion")
            .field("key", &self.key())
            .field("bytes", &self.bytes())
            .finish()
    }
}

/// Writes the parts of a block one after the other.
struct Filler {
    block: NonNull<u8>,
    offset: usize,
    bytes: usize,
}

impl Filler {
    /// Allocates a version and fills it up to what the caller is to put: its object, its key, its value, in this order. Of key and value the lengths are
    /// given, and the length that the header tells.
    #[inline(always)]
    fn begin(
        pool: &Pool,
        (key_len, value_len, told_len): (usize, usize, usize),
        flags: u8,
        kind: u8,
        expire_at: Option<u64>,
    ) -> Result<Self, AllocError> {
        if value_len > MAX_VALUE_BYTES {
            return Err(AllocError::ValueTooLong(value_len));
        }
        if key_len > MAX_KEY_BYTES {
            return Err(AllocError::KeyTooLong(key_len));
        }
        let long = key_len >= LONG_KEY_MARK;
        let flags = flags
            | if expire_at.is_some() { HAS_EXPIRE } else { 0 }
            | if long { LONG_KEY } else { 0 };
        let lens = told_len as u64
            | (key_len.min(LONG_KEY_MARK) as u64) << 32
            | u64::from(kind) << 48
            | u64::from(flags) << 56;
        let header = Header { stamp: AtomicU64::new(stamp::UNSET), next: AtomicU64::new(0), lens };
        let bytes = header.key_offset() + key_len + value_len;
        let block = pool.alloc(bytes).map_err(|_| AllocError::OutOfMemory(bytes))?.cast::<Header>();
        let mut fill = Self { block: block.cast(), offset: 0, bytes };
        // SAFETY: the block is at least `bytes` long, 8-byte aligned and ours; the parts written here and by the caller are header (its size), the words
        // counted by `key_offset`, key and value, in this order, hence `bytes` in all.
        unsafe { fill.put(header) };
        if long {
            // SAFETY: as above; LONG_KEY is one of the counted words.
            unsafe { fill.put(key_len as u64) };
        }
        if let Some(at) = expire_at {
            // SAFETY: as above; HAS_EXPIRE is one of the counted words.
            unsafe { fill.put(at) };
        }
        Ok(fill)
    }

    /// The version, into which everything was put.
    #[inline(always)]
    fn finish(&self, pool: &Pool) -> NonNull<Header> {
        // Whoever writes many versions writes the next one there.
        pool.prefetch_next(self.bytes);
        debug_assert_eq!(self.offset, self.bytes, "layout and writes disagree");
        self.block.cast()
    }

    /// # Safety
    /// The block must be ours, aligned for `T` at the offset, and long enough.
    #[inline(always)]
    unsafe fn put<T>(&mut self, value: T) {
        // SAFETY: within the block, by contract.
        let to = unsafe { self.block.add(self.offset) };
        // SAFETY: aligned and ours, by contract.
        unsafe { to.cast::<T>().write(value) };
        self.offset += size_of::<T>();
    }

    /// # Safety
    /// The block must be ours and long enough.
    #[inline(always)]
    unsafe fn put_bytes(&mut self, bytes: &[u8]) {
        // SAFETY: within the block, by contract.
        let to = unsafe { self.block.add(self.offset) };
        // A key is commonly that short, and copied in less time than a call takes.
        if let (Some(first), Some(last), 8..=16) =
            (bytes.first_chunk::<8>(), bytes.last_chunk::<8>(), bytes.len())
        {
            // SAFETY: ours and long enough, by contract.
            unsafe { to.cast::<[u8; 8]>().write(*first) };
            // SAFETY: within the block: it ends where the bytes end.
            let end = unsafe { to.add(bytes.len() - 8) };
            // SAFETY: ours and long enough, by contract.
            unsafe { end.cast::<[u8; 8]>().write(*last) };
        } else {
            // SAFETY: ours and long enough, by contract; a fresh block does not overlap the caller's bytes.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
        }
        self.offset += bytes.len();
    }
}

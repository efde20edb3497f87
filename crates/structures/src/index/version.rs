//! A version: one pool block that holds stamp, link, key and value.
//!
//! ```text
//!  0        8        16                                 24
//! ┌────────┬────────┬─────────────────────────────────┬────────────┬──────────┬─────────────┬─────┬───────┐
//! │ stamp  │ next   │ lens                            │[key length]│[expires] │[Arc<object>]│ key │ value │
//! └────────┴────────┴─────────────────────────────────┴────────────┴──────────┴─────────────┴─────┴───────┘
//!  lens = value length (32) | key length (16, 0xFFFF = in its own word) | kind (8) | flags (8)
//!  next = usage (16) | address of the older version (48) | bit 0 = PRUNED
//! ```
//! 24 bytes beside key and value; the birth epoch is in the pool's side array. An object takes the place of the value, and the value length says
//! how many bytes the object has elsewhere, in words. What *usage* means is the caller's: how a key is used, for those that choose what to evict.
//!
//! # Invariants
//! 1. Everything but `stamp` and `next` is written before publication and never again.
//! 2. An unpublished version is looked at by its owner only (bin invariant 3), so it may be freed at once.
//! 3. `next` only ever moves to an older version of the same chain, and once PRUNED is set it is final. Its usage changes by a CAS that leaves the
//!    rest as it is, and is a hint: who loses the CAS has told nobody, and nothing follows from it here.
//! 4. Births only fall along a chain: a link leads to versions that were published before the version that holds it, when that is published and
//!    ever after, since it only moves further down. So the lease test that covered a head covers all that is below it, for as long as the
//!    guard is pinned (an upper end never sinks). A link inside a node of another structure may lead to a node born after the lease, and to
//!    renew is then too late; here a renewal in between, by whatever operation on the guard, takes nothing away, and frozen links do no harm.
//! 5. What can be reached from a version only shrinks. So all that a walk meets was linked below its head when that was loaded, under this
//!    pin, and none of it was retired before the pin. With 4: [`VersionRef::older`] needs no lease test, however old the reference is.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[next]` | `next` is set before publication; unlinking CASes are Release and pair with the Acquire load in `older` |
//! | `[usage]` | Relaxed loads; the CAS is Release, for it renews the link that the older version was published by |
//! | `[stamp]` | SeqCst stores and loads of the stamp, see the stamp file |

mod new_version;

pub use new_version::NewVersion;

use crate::index::stamp::{self, Stamp};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use stillpoint_pool::Pool;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};
use stillpoint_reclaim::{Epoch, Expired, Guard};

/// The longest value: its length is kept in 32 bits.
pub const MAX_VALUE_BYTES: usize = u32::MAX as usize;
/// The longest key; as long as the longest value, which is more than any protocol above sends.
pub const MAX_KEY_BYTES: usize = u32::MAX as usize;

/// Bit 0 of `next`: cut out of the chain, or about to be; `next` is final.
pub(crate) const PRUNED: u64 = 1;
/// The address in `next`.
const LINK: u64 = 0x0000_ffff_ffff_fff8;
/// Where the usage begins in `next`.
const USAGE_SHIFT: u32 = 48;
/// The usage in `next`.
pub(crate) const USAGE: u64 = 0xffff << USAGE_SHIFT;

const HAS_EXPIRE: u8 = 1;
const LONG_KEY: u8 = 2;
const OBJECT: u8 = 4;
const TOMBSTONE: u8 = 8;
/// The flags that each stand for a word before the key, and how many of them are set in each of their values, two bits for each: not every processor that this
/// is compiled for counts bits at once.
const COUNTED: u8 = HAS_EXPIRE | LONG_KEY | OBJECT;
const WORDS: u16 = 0b11_10_10_01_10_01_01_00;
const LONG_KEY_MARK: usize = 0xFFFF;
const WORD: usize = 8;

/// The fixed part of a version.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) stamp: AtomicU64,
    pub(crate) next: AtomicU64,
    lens: u64,
}

#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
const _: () = assert!(size_of::<Header>() == 24);
const _: () = assert!(size_of::<Header>().is_multiple_of(WORD) && size_of::<Arc<u8>>() == WORD);

impl Header {
    /// Length of the value; of an object: the words that it has elsewhere.
    const fn value_len(&self) -> usize {
        (self.lens & 0xffff_ffff) as usize
    }

    const fn object_bytes(&self) -> usize {
        if self.has(OBJECT) { self.value_len() * WORD } else { 0 }
    }

    const fn short_key_len(&self) -> usize {
        (self.lens >> 32 & 0xffff) as usize
    }

    const fn kind(&self) -> u8 {
        (self.lens >> 48) as u8
    }

    const fn flags(&self) -> u8 {
        (self.lens >> 56) as u8
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags() & flag != 0
    }

    /// Bytes from the start of the version to its key.
    #[inline]
    const fn key_offset(&self) -> usize {
        let words = (WORDS >> (2 * (self.flags() & COUNTED)) & 3) as usize;
        size_of::<Self>() + words * WORD
    }
}

/// The address of a version, from a slot word or a link.
#[inline]
pub(crate) fn at(address: u64) -> *mut Header {
    std::ptr::with_exposed_provenance_mut(address as usize)
}

/// The address of the older version in `next`, or 0.
#[inline]
pub(crate) const fn link(next: u64) -> u64 {
    next & LINK
}

/// What a new version holds.
#[derive(Debug)]
pub enum NewValue<'a, O> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// These bytes, one part after the other.
    Parts(&'a [&'a [u8]]),
    /// An object; the version holds one reference to it.
    Object(Arc<O>),
    /// Nothing: the key is absent as of this version.
    Tombstone,
}

impl<O> NewValue<'_, O> {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            // The same bytes may be named often enough for more than there are numbers: that is too long, not short.
            Self::Parts(parts) => parts.iter().fold(0, |sum, part| sum.saturating_add(part.len())),
            Self::Object(_) | Self::Tombstone => 0,
        }
    }

    const fn flags(&self) -> u8 {
        match self {
            Self::Bytes(_) | Self::Parts(_) => 0,
            Self::Object(_) => OBJECT,
            Self::Tombstone => TOMBSTONE,
        }
    }
}

/// What a version holds.
#[derive(Debug)]
pub enum ValueRef<'g, O> {
    /// Bytes.
    Bytes(&'g [u8]),
    /// An object; clone the `Arc` to keep it longer than the guard.
    Object(&'g Arc<O>),
    /// Nothing: the key is absent as of this version.
    Tombstone,
}

impl<O> Clone for ValueRef<'_, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for ValueRef<'_, O> {}

/// Length of the key.
///
/// # Safety
/// `version` must point to an initialised version.
#[inline]
unsafe fn key_len(version: *const Header) -> usize {
    // SAFETY: by contract.
    let header = unsafe { &*version };
    let len = header.short_key_len();
    if len < LONG_KEY_MARK {
        return len;
    }
    // SAFETY: LONG_KEY_MARK says that the word after the header is there and holds the length.
    let word = unsafe { version.add(1) }.cast::<u64>();
    // SAFETY: as above.
    unsafe { *word as usize }
}

/// The key of a version.
///
/// # Safety
/// `version` must point to an initialised version that lives for `'a`.
#[inline]
pub(crate) unsafe fn key_of<'a>(version: *const Header) -> &'a [u8] {
    // SAFETY: by contract.
    let header = unsafe { &*version };
    // SAFETY: the offset lies within the block.
    let key = unsafe { version.cast::<u8>().add(header.key_offset()) };
    // SAFETY: by contract.
    let len = unsafe { key_len(version) };
    // SAFETY: `Filler` wrote `len` bytes there, which never change (invariant 1).
    unsafe { std::slice::from_raw_parts(key, len) }
}

/// A pointer to the optional word of `flag`, counted in the order key length, expiry, object.
///
/// # Safety
/// `version` must point to an initialised version that has `flag`.
unsafe fn word_of(version: *const Header, flag: u8) -> *const u8 {
    // SAFETY: by contract.
    let header = unsafe { &*version };
    let before = match flag {
        LONG_KEY => 0,
        HAS_EXPIRE => LONG_KEY,
        _ => LONG_KEY | HAS_EXPIRE,
    };
    let words = (header.flags() & before).count_ones() as usize;
    // SAFETY: the words lie within the block since their flags are set.
    unsafe { version.cast::<u8>().add(size_of::<Header>() + words * WORD) }
}

/// The value of a version.
///
/// # Safety
/// `version` must point to an initialised version, whose objects are of type `O`, that lives for `'a`.
#[inline]
unsafe fn value_of<'a, O>(version: *const Header) -> ValueRef<'a, O> {
    // SAFETY: by contract.
    let header = unsafe { &*version };
    if header.flags() & (OBJECT | TOMBSTONE) == 0 {
        // SAFETY: by contract.
        let key = unsafe { key_of(version) };
        // SAFETY: the value follows the key in the block.
        let value = unsafe { key.as_ptr().add(key.len()) };
        // SAFETY: `Filler` wrote `value_len` bytes there, which never change and live for 'a.
        return ValueRef::Bytes(unsafe { std::slice::from_raw_parts(value, header.value_len()) });
    }
    if header.has(TOMBSTONE) {
        return ValueRef::Tombstone;
    }
    // SAFETY: the flag is set.
    let object = unsafe { word_of(version, OBJECT) };
    // SAFETY: `Filler` put an `Arc<O>` there, aligned; it stays until the version is reclaimed, not before 'a ends.
    ValueRef::Object(unsafe { &*object.cast::<Arc<O>>() })
}

/// When a version expires.
///
/// # Safety
/// `version` must point to an initialised version.
#[inline]
unsafe fn expiry_of(version: *const Header) -> Option<u64> {
    // SAFETY: by contract.
    if !unsafe { &*version }.has(HAS_EXPIRE) {
        return None;
    }
    // SAFETY: the flag is set.
    let word = unsafe { word_of(version, HAS_EXPIRE) };
    // SAFETY: `Filler` put a u64 there, aligned, which never changes.
    Some(unsafe { *word.cast::<u64>() })
}

/// Bytes of the pool's block.
///
/// # Safety
/// `version` must point to an initialised version.
#[inline]
pub(crate) unsafe fn block_bytes(version: *const Header) -> usize {
    // SAFETY: by contract.
    let header = unsafe { &*version };
    if header.flags() == 0 {
        // As most: nothing but a key, of short length, and bytes.
        let lens = header.short_key_len() + header.lens as u32 as usize;
        return Pool::block_bytes(size_of::<Header>() + lens);
    }
    // SAFETY: by contract.
    let key_len = unsafe { key_len(version) };
    let value_len = if header.has(OBJECT) { 0 } else { header.value_len() };
    Pool::block_bytes(header.key_offset() + key_len + value_len)
}

/// The epoch in which the version was born.
///
/// # Safety
/// `version` must point to an initialised version whose birth was set.
pub(crate) unsafe fn birth_of(version: NonNull<Header>) -> Epoch {
    // SAFETY: by contract.
    Epoch::from_raw(unsafe { Pool::birth(version.cast()) })
}

/// Frees a version, and with it its object.
///
/// # Safety
/// `version` must point to an initialised version whose objects are of type `O` and that nobody can reach any more.
pub(crate) unsafe fn reclaim<O>(version: *mut u8) {
    let header = version.cast::<Header>();
    // SAFETY: by contract.
    if unsafe { &*header }.has(OBJECT) {
        // SAFETY: the flag is set.
        let object = unsafe { word_of(header, OBJECT) };
        // SAFETY: `Filler` put an `Arc<O>` there, and nobody else takes it out.
        drop(unsafe { object.cast::<Arc<O>>().read() });
    }
    // SAFETY: by contract; its object is gone.
    unsafe { reclaim_bytes(version) };
}

/// As [`reclaim`], for a version without an object. Does not look at it: by now it is in no cache.
///
/// # Safety
/// As [`reclaim`], and there is no object.
unsafe fn reclaim_bytes(version: *mut u8) {
    let header = version.cast::<Header>();
    // SAFETY: initialised, and the atomics are not touched again. (Nothing to do but in models.)
    unsafe { header.drop_in_place() };
    // SAFETY: initialised, so not null.
    let block = unsafe { NonNull::new_unchecked(version) };
    // SAFETY: a block of the pool, freed once.
    unsafe { Pool::free(block) };
}

/// Hands a version over to the collector; `bytes` are its [`block_bytes`].
///
/// # Safety
/// No new reader may be able to reach the version, its objects must be of type `O`, and only one caller may retire it.
#[inline]
pub(crate) unsafe fn retire<O>(guard: &Guard<'_>, version: NonNull<Header>, bytes: usize) {
    // SAFETY: by contract.
    let birth = unsafe { birth_of(version) };
    // SAFETY: by contract.
    let has_object = unsafe { version.as_ref() }.has(OBJECT);
    let reclaim = if has_object { reclaim::<O> } else { reclaim_bytes };
    // SAFETY: by contract; what reclaims it suits it.
    unsafe { guard.retire(version.as_ptr().cast(), birth, bytes, reclaim) };
}

/// A version under a guard. Copy; comparing two compares identity.
pub struct VersionRef<'g, O: Send + Sync + 'static, D: Send + Sync + 'static> {
    version: NonNull<Header>,
    guard: &'g Guard<'g>,
    types: PhantomData<(&'g O, &'g D)>,
}

impl<'g, O: Send + Sync + 'static, D: Send + Sync + 'static> VersionRef<'g, O, D> {
    /// # Safety
    /// The version must be published, of these types, and may not be reclaimed while `guard` is pinned.
    #[inline]
    pub(crate) unsafe fn new(version: NonNull<Header>, guard: &'g Guard<'g>) -> Self {
        Self { version, guard, types: PhantomData }
    }

    #[inline]
    pub(crate) fn header(&self) -> &'g Header {
        // SAFETY: by the contract of `new`.
        unsafe { self.version.as_ref() }
    }

    #[inline]
    pub(crate) fn block(&self) -> NonNull<Header> {
        self.version
    }

    #[inline]
    pub(crate) fn guard(&self) -> &'g Guard<'g> {
        self.guard
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &'g [u8] {
        // SAFETY: by the contract of `new`, the version lives for 'g.
        unsafe { key_of(self.version.as_ptr()) }
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> ValueRef<'g, O> {
        // SAFETY: by the contract of `new`, the version lives for 'g.
        unsafe { value_of(self.version.as_ptr()) }
    }

    /// Whether the version says that the key is absent.
    #[inline]
    pub fn is_tombstone(&self) -> bool {
        self.header().has(TOMBSTONE)
    }

    /// The caller's kind byte.
    #[inline]
    pub fn kind(&self) -> u8 {
        self.header().kind()
    }

    /// When the version expires, in the caller's unit.
    #[inline]
    pub fn expire_at(&self) -> Option<u64> {
        // SAFETY: by the contract of `new`.
        unsafe { expiry_of(self.version.as_ptr()) }
    }

    /// Bytes of the pool's block.
    #[inline]
    pub fn bytes(&self) -> usize {
        // SAFETY: by the contract of `new`.
        unsafe { block_bytes(self.version.as_ptr()) }
    }

    /// Bytes that its object has elsewhere, as the index was told when it was made; rounded up to words.
    #[inline]
    pub fn object_bytes(&self) -> usize {
        self.header().object_bytes()
    }

    /// Whether another version of the same key takes as many bytes, here and in its object; `false` says nothing if their kinds differ.
    #[inline]
    pub fn is_sized_as(&self, other: Self) -> bool {
        self.header().lens == other.header().lens
    }

    /// How the key is used, in the caller's terms; means something as long as the version is the key's newest.
    #[inline]
    pub fn usage(&self) -> u16 {
        // Relaxed [usage]: a hint
        (self.header().next.load(Ordering::Relaxed) >> USAGE_SHIFT) as u16
    }

    /// Changes the usage from what it was found to be; a hint that may get lost.
    ///
    /// # Progress
    /// Wait-free, one compare-and-swap.
    pub fn set_usage(&self, usage: u16) {
        let next = &self.header().next;
        // Relaxed [usage]: the CAS decides
        let before = next.load(Ordering::Relaxed);
        let after = before & !USAGE | u64::from(usage) << USAGE_SHIFT;
        if before & PRUNED == 0 {
            // Release [usage]: part of the release sequence of whoever set the link, for walkers that find it here
            let _ = next.compare_exchange(before, after, Ordering::Release, Ordering::Relaxed);
        }
    }

    /// The next older version, skipping nothing (it may be one that a pruner is just cutting out).
    ///
    /// # Progress
    /// Wait-free, one load; never expires (invariants 4 and 5 of the file); and a walk down a chain has at most as many steps as the chain had versions when its head was found.
    #[inline]
    pub fn older(&self) -> Option<Self> {
        // Acquire [next]: pairs with the Release of the CAS that published or relinked the older version
        let next = self.header().next.load(Ordering::Acquire);
        NonNull::new(at(link(next))).map(|version| Self { version, ..*self })
    }

    /// The stamp.
    ///
    /// # Progress
    /// Wait-free; for a pending stamp at most 64 renewals of the lease.
    ///
    /// # Errors
    /// `Expired` when the stamp is pending and the guard is past its collector's `max_lease_ticks`.
    #[inline]
    pub fn stamp(&self) -> Result<Stamp<'g, D>, Expired> {
        // SeqCst [stamp]: see the table of the stamp file
        let mut word = self.header().stamp.load(Ordering::SeqCst);
        if word & stamp::PENDING != 0 {
            word = self.guard.protect_word(&self.header().stamp)?;
            if word & stamp::PENDING != 0 {
                // SAFETY: a batch publishes only descriptors of its index's D; the descriptor was not retired when the word was loaded (stamp
                // invariant 2), `protect_word` made sure that its birth is covered, and the guard is pinned for 'g.
                return Ok(Stamp::Pending(unsafe { &*stamp::descriptor::<D>(word) }));
            }
        }
        Ok(stamp::decided(word))
    }

    /// Stamps an unset version; on failure says with what word it is stamped or pending already (look again with [`stamp`](Self::stamp)).
    ///
    /// # Progress
    /// Wait-free, one compare-and-swap.
    ///
    /// # Errors
    /// The version was not unset.
    ///
    /// # Panics
    /// If `plain` is 0, 1, or has bit 63 set.
    #[inline]
    pub fn try_stamp(&self, plain: u64) -> Result<(), AlreadyStamped> {
        assert!(stamp::is_plain(plain), "{plain:#x} is not a plain stamp");
        // SeqCst [stamp]: the store orders stamps against its clock
        let set = self.header().stamp.compare_exchange(
            stamp::UNSET,
            plain,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        set.map(|_| ()).map_err(|_| AlreadyStamped)
    }
}

/// The version had a stamp already; that one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlreadyStamped;

impl fmt::Display for AlreadyStamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the version has a stamp already")
    }
}

impl std::error::Error for AlreadyStamped {}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> Clone for VersionRef<'_, O, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> Copy for VersionRef<'_, O, D> {}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> PartialEq for VersionRef<'_, O, D> {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
    }
}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> Eq for VersionRef<'_, O, D> {}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> fmt::Debug for VersionRef<'_, O, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VersionRef").field("at", &self.version).field("key", &self.key()).finish()
    }
}

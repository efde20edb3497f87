//! Publishing pending versions, and settling all of them.
//!
//! ```text
//!  new(D) ─▶ install … install        stamps point to D; anybody may read D, nobody but this batch changes those stamps
//!         ─▶ finish(verdict) or drop  every stamp becomes plain or ABORTED, then D is retired
//! ```
//! # Invariants
//! 1. Every version that was ever published with a pointer to D is in `installed`, and its stamp is replaced before D is retired, whether the
//!    version is still linked or not. (The guard that published it protects it until then: its birth is covered, and it was linked under the pin.)
//!    So a stamp never names a retired descriptor (stamp invariant 2), whatever a caller does; a forgotten batch leaks D.
//! 2. A batch borrows its indexes and its guard, so neither can end before it.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[stamp]` | SeqCst store of the final stamp, pairs with the load in `VersionRef::stamp` |

use crate::index::VersionIndex;
use crate::index::error::Refused;
use crate::index::find::Head;
use crate::index::stamp;
use crate::index::version::{Header, NewVersion, VersionRef};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use stillpoint_pool::{Pool, PoolBox};
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Epoch, Guard};

/// Versions of a batch that are remembered without an allocation.
const FEW: usize = 8;

/// Versions, in one index or several of one collector, that are pending on one descriptor.
///
/// Dropping an unfinished batch aborts it: its versions are stamped [`Aborted`](crate::Stamp::Aborted). A caller whose helpers may already have decided
/// otherwise must finish it.
pub struct Batch<'g, O: Send + Sync + 'static, D: Send + Sync + 'static> {
    guard: &'g Guard<'g>,
    descriptor: NonNull<D>,
    birth: Epoch,
    installed: Installed,
    indexes: PhantomData<&'g VersionIndex<O, D>>,
    #[cfg(stillpoint_loom)]
    mutation: crate::index::mutation::Mutation,
}

impl<'g, O: Send + Sync + 'static, D: Send + Sync + 'static> Batch<'g, O, D> {
    /// An empty batch, whose descriptor lives in `pool`. Does not compile for one that wants to be aligned to more than 64; without memory for it
    /// the process ends, as with a `Box`.
    #[inline]
    pub fn new(guard: &'g Guard<'g>, pool: &Pool, descriptor: D) -> Self {
        let birth = guard.birth();
        let descriptor = PoolBox::into_raw(PoolBox::new_in(descriptor, pool));
        Self {
            guard,
            descriptor,
            birth,
            installed: Installed::default(),
            indexes: PhantomData,
            #[cfg(stillpoint_loom)]
            mutation: crate::index::mutation::Mutation::default(),
        }
    }

    /// The descriptor.
    pub fn descriptor(&self) -> &'g D {
        // SAFETY: retired, at the earliest, when the batch ends, by the guard that is pinned for 'g and covers its birth.
        unsafe { self.descriptor.as_ref() }
    }

    /// Versions installed so far.
    pub fn len(&self) -> usize {
        self.installed.len
    }

    /// Whether nothing is installed.
    pub fn is_empty(&self) -> bool {
        self.installed.len == 0
    }

    /// As [`VersionIndex::install`], but the version is pending on the batch's descriptor from the start.
    ///
    /// # Progress
    /// Lock-free.
    ///
    /// # Errors
    /// As `VersionIndex::install`.
    ///
    /// # Panics
    /// If the index or the head is of another collector than the batch's guard.
    #[inline]
    pub fn install(
        &mut self,
        index: &'g VersionIndex<O, D>,
        hash: u64,
        head: Option<&Head<'g, O, D>>,
        new: NewVersion<O>,
    ) -> Result<VersionRef<'g, O, D>, Refused<O>> {
        #[cfg(stillpoint_loom)]
        {
            self.mutation = index.mutation;
        }
        // Before publication, so that nothing can be published and not be remembered.
        self.installed.reserve();
        let pending = stamp::pending(self.descriptor.as_ptr());
        let version = index.install_stamped(self.guard, hash, head, new, pending)?;
        self.installed.push(version.block());
        Ok(version)
    }

    /// Gives every version its final stamp: `plain`, or aborted for None.
    ///
    /// # Progress
    /// Wait-free, one store per version.
    ///
    /// # Panics
    /// If `plain` is 0, 1, or has bit 63 set; the batch is then aborted.
    #[inline]
    pub fn finish(mut self, plain: Option<u64>) {
        if let Some(plain) = plain {
            assert!(stamp::is_plain(plain), "{plain:#x} is not a plain stamp");
        }
        self.settle(plain.unwrap_or(stamp::ABORTED));
    }

    fn settle(&mut self, stamp: u64) {
        self.installed.drain(|version| {
            // SAFETY: published under the guard, which protects it (invariant 1).
            let header = unsafe { version.as_ref() };
            // SeqCst [stamp]: only this batch changes a pending stamp
            header.stamp.store(stamp, Ordering::SeqCst);
        });
    }

    /// Retires the descriptor; the end of the batch.
    fn retire(&mut self) {
        // SAFETY: no stamp names the descriptor any more (invariant 1), and the batch ends here, so this happens once.
        unsafe {
            self.guard.retire(
                self.descriptor.as_ptr().cast(),
                self.birth,
                Pool::block_bytes(size_of::<D>()),
                drop_box::<D>,
            )
        };
    }
}

impl<O: Send + Sync + 'static, D: Send + Sync + 'static> Drop for Batch<'_, O, D> {
    fn drop(&mut self) {
        #[cfg(stillpoint_loom)]
        if self.mutation == crate::index::mutation::Mutation::RetireBeforeSettling {
            self.retire();
            return self.settle(stamp::ABORTED);
        }
        self.settle(stamp::ABORTED);
        self.retire();
    }
}

/// Versions that a batch has published: the first few beside it, so that a small batch allocates nothing for them.
#[derive(Default)]
struct Installed {
    first: [Option<NonNull<Header>>; FEW],
    len: usize,
    more: Vec<NonNull<Header>>,
}

impl Installed {
    /// Makes room for one more.
    fn reserve(&mut self) {
        if self.len >= FEW {
            self.more.reserve(1);
        }
    }

    fn push(&mut self, version: NonNull<Header>) {
        match self.first.get_mut(self.len) {
            Some(place) => *place = Some(version),
            None => self.more.push(version),
        }
        self.len += 1;
    }

    /// Shows each version once, and forgets it.
    fn drain(&mut self, mut f: impl FnMut(NonNull<Header>)) {
        let few = std::mem::take(&mut self.len).min(FEW);
        self.first[..few].iter().flatten().for_each(|version| f(*version));
        self.more.drain(..).for_each(f);
    }
}

/// Drops what a box held, and the box; a reclaimer.
///
/// # Safety
/// `descriptor` must come from a `PoolBox<D>` that was taken apart, and be given once.
unsafe fn drop_box<D>(descriptor: *mut u8) {
    // SAFETY: by contract, so it is not null.
    let descriptor = unsafe { NonNull::new_unchecked(descriptor.cast::<D>()) };
    // SAFETY: by contract.
    drop(unsafe { PoolBox::from_raw(descriptor) });
}

impl<O: Send + Sync + 'static, D: Send + Sync + fmt::Debug + 'static> fmt::Debug
    for Batch<'_, O, D>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("descriptor", self.descriptor())
            .field("len", &self.len())
            .finish()
    }
}

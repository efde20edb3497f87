//! [`Guard`]: a pinned thread; loads, renewal, retirement.
//!
//! Tags: `[load]` Acquire load of the caller's word: what the pointer names was written before; the epoch is read after it.

use crate::atomic::{Atomic, Shared};
use crate::epoch::Epoch;
#[cfg(stillpoint_loom)]
use crate::leased::collector::Mutation;
use crate::leased::collector::{Collector, Inner};
use crate::leased::local::{Local, NAMED, NESTING, TEMPORARY};
use crate::node::Header;
use crate::retired::{Birth, Retired};
use crate::scheme::Protect;
use alloc::boxed::Box;
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use stillpoint_primitive::prefetch;
use stillpoint_primitive::sync::atomic::{AtomicU64, Ordering};

/// The guard's lease ran out before the load was certain: renew, and restart from the root (or, past the cap, [`Guard::repin`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the guard's lease has run out")
    }
}

impl core::error::Error for Expired {}

/// Up to which epoch a traversal may meet nodes: see [`Guard::lease`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(u64);

/// Renewals that a root load may need: each at least doubles the lease, and an epoch has 64 bits.
pub(crate) const MAX_RENEWALS: u32 = 64;

/// Keeps what is loaded through it allocated, until it is dropped. Of one thread; guards of a thread nest and share one reservation.
///
/// A guard's lease is its own copy of the reservation's upper end. A nested guard that renews raises the reservation, but not the
/// leases of the guards around it: their traversals find themselves [`Expired`] and restart, as they must.
pub struct Guard<'c> {
    inner: &'c Inner,
    local: &'c Local,
    lease: Cell<u64>,
    /// Not `Send`: the reservation belongs to the thread.
    not_send: PhantomData<*mut ()>,
}

impl<'c> Guard<'c> {
    #[inline(always)]
    pub(crate) fn new(inner: &'c Inner, local: &'c Local, lease: u64) -> Self {
        Guard { inner, local, lease: Cell::new(lease), not_send: PhantomData }
    }

    /// The lease that loads are tested against now: a token for a traversal that is left and resumed.
    ///
    /// Any renewal (also one that a [`protect`](Guard::protect) of some other operation made in place) ends the traversals under way
    /// on this guard: what they hold stays allocated, but its links may not be followed any more. Who cannot know whether there has
    /// been one keeps the lease of the traversal's root load and uses [`follow_word_under`](Guard::follow_word_under).
    #[inline(always)]
    pub fn lease(&self) -> Lease {
        Lease(self.lease.get())
    }

    /// As [`follow_word`](Guard::follow_word), in a traversal whose root was loaded under `lease`.
    ///
    /// # Progress
    /// Wait-free: one load, one compare.
    ///
    /// # Errors
    /// [`Expired`] also when the guard has been renewed since.
    #[inline(always)]
    pub fn follow_word_under(&self, lease: Lease, src: &AtomicU64) -> Result<u64, Expired> {
        // Acquire [load]: see the header.
        let word = src.load(Ordering::Acquire);
        self.still_valid_under(lease).map(|()| word)
    }

    /// As [`still_valid`](Guard::still_valid), in a traversal whose root was loaded under `lease`.
    ///
    /// # Progress
    /// Wait-free: one load, one compare.
    ///
    /// # Errors
    /// [`Expired`] also when the guard has been renewed since.
    #[inline(always)]
    pub fn still_valid_under(&self, lease: Lease) -> Result<(), Expired> {
        if self.inner.epoch() <= lease.0 { Ok(()) } else { Err(Expired) }
    }

    /// Whether what has been loaded up to now is covered by the lease: the test behind every guarded load. For values that came out
    /// of the caller's own failed CAS or swap, with at least Acquire.
    ///
    /// # Progress
    /// Wait-free: one load, one compare.
    ///
    /// # Errors
    /// [`Expired`]: the value may be reclaimed already.
    #[inline(always)]
    pub fn still_valid(&self) -> Result<(), Expired> {
        #[cfg(stillpoint_loom)]
        if self.inner.mutation == Mutation::NoLoadTest {
            return Ok(());
        }
        self.still_valid_under(self.lease())
    }

    /// Loads a word that holds a pointer from a **root**: a place that stays allocated whatever happens, and from which whoever
    /// retires a node has unlinked it before. Renews the lease if need be.
    ///
    /// # Progress
    /// Wait-free: at most 64 rounds, one in practice.
    ///
    /// # Errors
    /// [`Expired`] only past [`max_lease_ticks`](crate::Builder::max_lease_ticks).
    #[inline(always)]
    pub fn protect_word(&self, src: &AtomicU64) -> Result<u64, Expired> {
        // Acquire [load]: see the header.
        self.protect_with(|| src.load(Ordering::Acquire))
    }

    /// As [`protect_word`](Guard::protect_word), for any load from a root that is at least Acquire.
    ///
    /// # Errors
    /// As [`protect_word`](Guard::protect_word).
    #[inline(always)]
    pub fn protect_with<W>(&self, mut load: impl FnMut() -> W) -> Result<W, Expired> {
        let word = load();
        if self.still_valid().is_ok() {
            return Ok(word);
        }
        let (word, lease) = Self::protect_slow(self.inner, self.local, load)?;
        self.lease.set(lease);
        Ok(word)
    }

    /// Slow paths take the guard apart, so that its address is not taken and it lives in registers. Returns the new lease as well.
    #[cold]
    fn protect_slow<W>(
        inner: &Inner,
        local: &Local,
        mut load: impl FnMut() -> W,
    ) -> Result<(W, u64), Expired> {
        for _ in 0..MAX_RENEWALS {
            let lease = Self::renew_slow(inner, local)?;
            let word = load();
            if inner.epoch() <= lease {
                return Ok((word, lease));
            }
        }
        // A lease of 2^64 ticks covers every epoch.
        let lease = Self::extend_for_ever(inner, local);
        Ok((load(), lease))
    }

    /// Loads a word that holds a pointer from **inside a node**.
    ///
    /// # Progress
    /// Wait-free: one load, one compare.
    ///
    /// # Errors
    /// [`Expired`]: [`renew`](Guard::renew), then restart the operation from its root. (Loading again after the renewal is not
    /// enough: the node may be unlinked, its link frozen, and what the link names reclaimed.)
    #[inline(always)]
    pub fn follow_word(&self, src: &AtomicU64) -> Result<u64, Expired> {
        // Acquire [load]: see the header.
        self.follow_with(|| src.load(Ordering::Acquire))
    }

    /// As [`follow_word`](Guard::follow_word), for any load that is at least Acquire.
    ///
    /// # Errors
    /// As [`follow_word`](Guard::follow_word).
    #[inline(always)]
    pub fn follow_with<W>(&self, load: impl FnMut() -> W) -> Result<W, Expired> {
        #[cfg(stillpoint_loom)]
        if self.inner.mutation == Mutation::ExtendInPlace {
            return self.protect_with(load);
        }
        let mut load = load;
        let word = load();
        self.still_valid().map(|()| word)
    }

    /// [`protect_word`](Guard::protect_word) of a typed pointer.
    ///
    /// # Errors
    /// As [`protect_word`](Guard::protect_word).
    #[inline(always)]
    pub fn protect<T>(&self, src: &Atomic<T>) -> Result<Shared<'_, T>, Expired> {
        self.protect_with(|| src.load_acquire())
    }

    /// [`follow_word`](Guard::follow_word) of a typed pointer.
    ///
    /// # Errors
    /// As [`follow_word`](Guard::follow_word).
    #[inline(always)]
    pub fn follow<T>(&self, src: &Atomic<T>) -> Result<Shared<'_, T>, Expired> {
        self.follow_with(|| src.load_acquire())
    }

    /// Extends the lease from now on, by twice what it was. References handed out before stay valid; every operation under way on this
    /// guard must restart from its root.
    ///
    /// # Progress
    /// Wait-free.
    ///
    /// # Errors
    /// [`Expired`] past [`max_lease_ticks`](crate::Builder::max_lease_ticks): only [`repin`](Guard::repin) helps.
    #[inline]
    pub fn renew(&self) -> Result<(), Expired> {
        self.lease.set(Self::renew_slow(self.inner, self.local)?);
        Ok(())
    }

    #[cold]
    fn renew_slow(inner: &Inner, local: &Local) -> Result<u64, Expired> {
        let reservation = &local.reservation;
        let epoch = inner.epoch();
        let (lower, upper) = (reservation.own_lower(), reservation.own_upper());
        if upper == u64::MAX {
            // Some guard of this thread has no end, so this one need not have one either.
            return Ok(upper);
        }
        let end = lower.saturating_add(inner.max_lease_ticks);
        if epoch > end {
            return Err(Expired);
        }
        let lease = (upper - lower).saturating_mul(2).max(1);
        let extended = epoch.saturating_add(lease).min(end).max(upper);
        reservation.extend(extended);
        #[cfg(stillpoint_loom)]
        if inner.mutation == Mutation::NoRenewFence {
            return Ok(extended);
        }
        inner.fences.light();
        Ok(extended)
    }

    /// Runs `operation`, a whole operation from its root on, until its lease holds out: the restart is written once. See the guide
    /// [`restart_once`](crate::guide::restart_once).
    ///
    /// # Progress
    /// That of the operation, times the logarithm of its length in ticks: at most 65 rounds.
    ///
    /// # Errors
    /// [`Expired`] past the cap, or when `operation` still says so under a lease without end.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_reclaim::{Atomic, Collector, Owned};
    ///
    /// struct Node { value: u64, next: Atomic<Node> }
    ///
    /// let collector = Collector::new();
    /// let guard = collector.pin();
    /// let last = Owned::new(&guard, Node { value: 2, next: Atomic::null() });
    /// let head = Atomic::new(Owned::new(&guard, Node { value: 1, next: Atomic::new(last) }));
    /// let second = guard.retrying(|guard| {
    ///     let first = guard.protect(&head)?;
    ///     // SAFETY: protected, and not null.
    ///     guard.follow(unsafe { &first.deref().next })
    /// })?;
    /// // SAFETY: what an operation returns stays protected.
    /// assert_eq!(unsafe { second.deref() }.value, 2);
    /// # Ok::<(), stillpoint_reclaim::Expired>(())
    /// ```
    pub fn retrying<'g, R>(
        &'g self,
        mut operation: impl FnMut(&'g Self) -> Result<R, Expired>,
    ) -> Result<R, Expired> {
        for _ in 0..MAX_RENEWALS {
            match operation(self) {
                Ok(result) => return Ok(result),
                Err(Expired) => self.renew()?,
            }
        }
        operation(self)
    }

    /// As [`retrying`](Guard::retrying), for what borrows from the guard and cannot fail: past the cap the guard goes on as a
    /// [classic one](Collector::pin_classic), and is counted. See [`Protect::insisting`].
    ///
    /// # Progress
    /// As [`retrying`](Guard::retrying).
    #[inline(always)]
    pub fn insisting<'g, R>(
        &'g self,
        mut operation: impl FnMut(&'g Self) -> Result<R, Expired>,
    ) -> R {
        Protect::insisting(self, |guard| Ok(operation(guard)?))
    }

    /// As [`retrying`](Guard::retrying), for what does not borrow from the guard, and hence can be had past the cap as well:
    /// [`Protect::complete`].
    ///
    /// # Progress
    /// That of the operation, times the logarithm of its length in ticks.
    ///
    /// # Examples
    /// ```
    /// use stillpoint_reclaim::{Atomic, Collector, Owned};
    ///
    /// let collector = Collector::new();
    /// let mut guard = collector.pin();
    /// let cell = Atomic::new(Owned::new(&guard, 7));
    /// let seen = guard.complete(|guard| {
    ///     let node = guard.protect(&cell)?;
    ///     // SAFETY: protected, and not null.
    ///     Ok(*unsafe { node.deref() })
    /// });
    /// assert_eq!(seen, 7);
    /// ```
    #[inline(always)]
    pub fn complete<R>(&mut self, mut operation: impl FnMut(&Self) -> Result<R, Expired>) -> R {
        Protect::complete(self, |guard| Ok(operation(guard)?))
    }

    /// Starts a fresh reservation, so that nothing from before is held back any longer; what was loaded before is gone, hence `&mut`.
    /// Inside another guard of this thread it can only renew; `false` when that is past the cap: the outer guard has to go first.
    ///
    /// # Progress
    /// Wait-free.
    #[inline]
    pub fn repin(&mut self) -> bool {
        let lease = Self::repin_slow(self.inner, self.local);
        lease.map(|lease| self.lease.set(lease)).is_ok()
    }

    #[cold]
    fn repin_slow(inner: &Inner, local: &Local) -> Result<u64, Expired> {
        if local.state.get() & NESTING != 0 {
            return Self::renew_slow(inner, local);
        }
        local.reservation.withdraw();
        Ok(inner.announce(local))
    }

    /// A guard inside this one, on the same reservation: what is loaded under it stays allocated as long as either lives, and what other
    /// operations renew does not touch its lease. (So does a [`pin`](Collector::pin) inside this guard, but for a guard of a
    /// [`Participant`](crate::Participant), or of a thread past its exit: those that pin again have another reservation.)
    ///
    /// # Progress
    /// Wait-free.
    #[inline]
    pub fn nested(&self) -> Guard<'c> {
        self.local.nest();
        Guard::new(self.inner, self.local, self.local.reservation.own_upper())
    }

    /// Names the reservation that this guard shares with the other guards of its thread, until the outermost of them goes: see
    /// [`Collector::pin_named`].
    ///
    /// # Progress
    /// Wait-free: five stores.
    pub fn set_name(&self, name: &'static str) {
        self.local.state.set(self.local.state.get() | NAMED);
        self.local.guard_name.set(Some(name));
    }

    /// Whether the reservation has a name.
    pub fn is_named(&self) -> bool {
        self.local.state.get() & NAMED != 0
    }

    /// Whether no other guard of this thread on this collector encloses this one.
    pub fn is_outermost(&self) -> bool {
        self.local.state.get() & NESTING == 0
    }

    /// Extends the lease past the cap, because something that cannot fail has reached it.
    pub(crate) fn extend_past_cap(&self) {
        if self.local.reservation.own_upper() != u64::MAX {
            self.inner.overdrafts.add_shared(1);
        }
        self.make_classic();
    }

    #[inline]
    pub(crate) fn make_classic(&self) {
        self.lease.set(Self::extend_for_ever(self.inner, self.local));
    }

    #[cold]
    fn extend_for_ever(inner: &Inner, local: &Local) -> u64 {
        local.reservation.extend(u64::MAX);
        inner.fences.light();
        u64::MAX
    }

    /// The birth for a node that is made under this guard: covered by the guard itself, so its maker may go on using it after it is
    /// published.
    ///
    /// # Progress
    /// Wait-free.
    #[inline]
    pub fn birth(&self) -> Epoch {
        let epoch = self.inner.epoch();
        self.inner.count_birth(self.local, epoch);
        Epoch::from_raw(epoch.min(self.lease.get()))
    }

    /// Hands over a node that has been unlinked: `reclaim(ptr)` runs once no reader can hold it, on some thread.
    ///
    /// # Progress
    /// Wait-free, but for the heavy fence of a tick once every `4·batch_len` calls or so; runs up to four destructors of earlier nodes.
    ///
    /// # Safety
    /// - `ptr` was reachable only through places from which it has been unlinked, and is retired once.
    /// - `birth` is what [`birth`](Guard::birth) or [`Collector::birth`] gave before the node was published, or earlier.
    /// - `reclaim(ptr)` may run on any thread, and what it drops may be dropped there; data that is not `'static` outlives the collector.
    pub unsafe fn retire(
        &self,
        ptr: *mut u8,
        birth: Epoch,
        bytes: usize,
        reclaim: unsafe fn(*mut u8),
    ) {
        self.check_birth(birth);
        self.inner.retire(self.local, Retired { ptr, reclaim, birth: Birth::of(birth), bytes });
    }

    /// As [`retire`](Guard::retire), for a node that has its birth in itself; reads it only if need be.
    ///
    /// # Safety
    /// As [`retire`](Guard::retire), and `header` is in the node's own memory.
    #[inline(always)]
    pub(crate) unsafe fn retire_headed(
        &self,
        ptr: *mut u8,
        header: &Header,
        bytes: usize,
        reclaim: unsafe fn(*mut u8),
    ) {
        #[cfg(debug_assertions)]
        self.check_birth(header.birth());
        prefetch(core::ptr::from_ref(header).cast());
        // SAFETY: the caller's promise: it goes with the node.
        let birth = unsafe { Birth::at(header) };
        self.inner.retire(self.local, Retired { ptr, reclaim, birth, bytes });
    }

    /// As [`retire`](Guard::retire), for a node that carries no birth.
    #[inline(always)]
    pub(crate) fn retire_unborn(&self, node: Retired) {
        self.inner.retire(self.local, node);
    }

    /// Hands over a boxed value that has been unlinked; it is dropped once no reader can hold it.
    ///
    /// # Progress
    /// As [`retire`](Guard::retire).
    ///
    /// # Safety
    /// As [`retire`](Guard::retire), and `ptr` comes from `Box::into_raw`.
    pub unsafe fn retire_box<T>(&self, ptr: *mut T, birth: Epoch) {
        // SAFETY: the caller's promise; `drop_box::<T>` takes back what `Box::into_raw` gave.
        unsafe { self.retire(ptr.cast(), birth, size_of::<T>(), drop_box::<T>) };
    }

    /// Runs `f` once every reader that is pinned now has unpinned (birth [`Epoch::ZERO`]: plain epochs).
    ///
    /// # Progress
    /// As [`retire`](Guard::retire).
    ///
    /// # Cost
    /// One allocation.
    pub fn retire_fn<F: FnOnce() + Send + 'static>(&self, f: F) {
        let ptr = Box::into_raw(Box::new(f)).cast::<u8>();
        // SAFETY: the box is ours alone, `call_box` takes it back, and `F` is `Send + 'static`.
        unsafe { self.retire(ptr, Epoch::ZERO, size_of::<F>(), call_box::<F>) };
    }

    /// As [`Collector::flush`]. This guard's own reservation counts like any other.
    pub fn flush(&self) {
        self.inner.flush(self.local);
    }

    /// Hands what this thread has retired, and nobody has reclaimed yet, to whoever sweeps next: another thread that retires, a flush, a background
    /// thread. For what must not wait until this thread retires more.
    ///
    /// # Progress
    /// Wait-free.
    pub fn hand_over(&self) {
        self.inner.post_bags(self.local);
    }

    /// Whether this guard is one of `collector`'s: structures check it, since a foreign guard protects nothing of theirs.
    #[inline(always)]
    pub fn is_from(&self, collector: &Collector) -> bool {
        collector.is(self.inner)
    }

    /// As [`is_from`](Guard::is_from), for a structure that takes guards from outside.
    ///
    /// # Panics
    /// The guard is another collector's; the message names both.
    #[inline]
    #[track_caller]
    pub fn assert_from(&self, collector: &Collector) {
        if !self.is_from(collector) {
            let (own, other) = (self.inner.name.as_deref(), collector.inner.name.as_deref());
            panic!("a guard of collector {own:?} protects nothing of collector {other:?}");
        }
    }

    /// A node's birth was read before the node was published, so the epoch cannot be behind it: unless the birth is of another
    /// collector's clock.
    #[inline(always)]
    fn check_birth(&self, birth: Epoch) {
        // A model would take the load for a step of the protocol.
        if cfg!(not(any(stillpoint_loom, stillpoint_shuttle))) {
            let now = self.inner.epoch();
            debug_assert!(
                birth.get() <= now,
                "{birth:?} is in the future: another collector's? now {now}"
            );
        }
    }

    /// How many epochs the reservation spans, and how far the current one lies beyond it (0 inside the lease). For tests and figures.
    pub fn span(&self) -> (u64, u64) {
        let (lower, upper) =
            (self.local.reservation.own_lower(), self.local.reservation.own_upper());
        (upper - lower, self.inner.epoch().saturating_sub(upper))
    }
}

impl Drop for Guard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.local.state.get() == 0 {
            self.local.reservation.withdraw();
        } else {
            Self::leave_slow(self.inner, self.local);
        }
    }
}

impl Guard<'_> {
    #[cold]
    fn leave_slow(inner: &Inner, local: &Local) {
        let state = local.state.get();
        if state & NESTING > 0 {
            local.state.set(state - 1);
            return;
        }
        local.reservation.withdraw();
        if state & NAMED != 0 {
            local.guard_name.set(None);
            local.state.set(state & !NAMED);
        }
        if state & TEMPORARY != 0 {
            inner.leave_temporary(local);
        }
    }
}

impl fmt::Debug for Guard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (span, beyond) = self.span();
        f.debug_struct("Guard").field("span", &span).field("beyond", &beyond).finish()
    }
}

unsafe fn drop_box<T>(ptr: *mut u8) {
    // SAFETY: the caller hands over what `Box::into_raw` gave for a `T`.
    drop(unsafe { Box::from_raw(ptr.cast::<T>()) });
}

unsafe fn call_box<F: FnOnce()>(ptr: *mut u8) {
    // SAFETY: the caller hands over what `Box::into_raw` gave for an `F`.
    let f = unsafe { Box::from_raw(ptr.cast::<F>()) };
    f();
}

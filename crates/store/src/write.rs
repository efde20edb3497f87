//! Writes of one key.
//!
//! ```text
//!  find the head ─▶ make it final ─▶ base = newest committed ─▶ closure ─▶ CAS head: base → new (unset) ─▶ stamp ─▶ count, expiry, prune
//!       ▲               │ unset: stamp it     │ not the head any more                │ failed
//!       └───────────────┴─ prepared: decide it; installing: be patient, then kill ───┘
//! ```
//!
//! # Invariants
//! 1. The new version goes on top of the very head that was looked at, and that head was final: so the base is its newest committed predecessor,
//!    the closure saw exactly that, and two updates of a key never see the same base.
//! 2. Whoever installs counts: the difference between its version and its base. Each version is superseded once, so the sums are exact.
//! 3. No fetch_add and no lock: writers of different keys share no line but those of their bins, and the clock's, which they only read.
//!
//! # Progress
//! Lock-free: a failed CAS means that another write of the key succeeded. A commit that stands in the way is decided if it is prepared, and killed
//! after [`PATIENCE`] looks if it is not.

use crate::config::At;
use crate::counters::{Figure, Own};
use crate::descriptor::{Descriptor, Status};
use crate::draft::{Decision, Draft};
use crate::engine::{Engine, HeadOf, Index, Version, uncapped};
use crate::entry::{Entry, VersionStamp};
use crate::error::WriteError;
use crate::listener::RemovalReason;
use crate::settle::Standing;
use crate::step::Step;
use crate::stream::{Announcement, Published};
use stillpoint_primitive::sync::{hint, thread};
use stillpoint_structures::{Guard, NewValue, NewVersion, Pruned, Refused, RefusedReason};

/// Looks at an installing commit before it is killed: about as long as installing a few keys takes.
const PATIENCE: u32 = 256;
/// The same, in turns given to other threads, for the holder of the priority token: some milliseconds.
const PRIORITY_PATIENCE: u32 = 2_000;
/// A thread looks after its share of old versions once in so many writes, and then at twice as many as those may have left behind.
const TIDY_EVERY: i64 = 16;
const TIDIED: usize = 2 * TIDY_EVERY as usize;

/// A key of a space, found by its hash.
pub(crate) struct Place<'k, O: Send + Sync + 'static> {
    pub(crate) index: &'k Index<O>,
    pub(crate) space: u8,
    pub(crate) hash: u64,
    pub(crate) key: &'k [u8],
}

/// A final head and what a write goes on top of.
pub(crate) struct Target<'g, O: Send + Sync + 'static> {
    pub(crate) head: Option<HeadOf<'g, O>>,
    pub(crate) base: Option<(Version<'g, O>, VersionStamp)>,
}

impl<'g, O: Send + Sync + 'static> Target<'g, O> {
    pub(crate) fn visible(&self, now_ms: u64) -> Option<Entry<'g, O>> {
        self.base.and_then(|(version, stamp)| Entry::of(version, stamp, now_ms))
    }

    /// Whether the base is a value, expired or not.
    pub(crate) fn is_value(&self) -> bool {
        self.base.is_some_and(|(version, _)| !version.is_tombstone())
    }
}

impl<O: Send + Sync + 'static> Engine<O> {
    #[inline]
    pub(crate) fn place<'k>(&'k self, space: u8, key: &'k [u8]) -> Place<'k, O> {
        let index = self.space(space);
        Place { index, space, hash: index.hash(key), key }
    }

    /// Sets a key whatever it was.
    pub(crate) fn set(
        &self,
        at: At,
        key: &[u8],
        kind: u8,
        value: &[u8],
        expire_at_ms: Option<u64>,
    ) -> Result<(), WriteError> {
        if self.stream.is_some() {
            return self.set_published(at, key, kind, value, expire_at_ms);
        }
        let place = self.place(at.space, key);
        let mut guard = self.collector.pin();
        // The bin comes while the version is made.
        place.index.prefetch(&guard, place.hash);
        let mut new = place.index.new_version_of_bytes(key, value, kind, expire_at_ms)?;
        if self.evictor.is_limited() {
            // Making room takes long, and asks listeners.
            drop(guard);
            self.admit_counted(|| new.bytes(), at.now_ms)?;
            guard = self.collector.pin();
        } else {
            self.tell_time(at.now_ms);
        }
        loop {
            let target = self.target(&guard, &place);
            match self.write_quietly(&guard, &place, &target, new, |_, _| ()) {
                Ok(()) => return Ok(()),
                Err(refused) => new = raced(refused)?,
            }
        }
    }

    /// The same in a store that publishes what is committed: apart, so that others do not pay for it.
    #[inline(never)]
    fn set_published(
        &self,
        at: At,
        key: &[u8],
        kind: u8,
        value: &[u8],
        expire_at_ms: Option<u64>,
    ) -> Result<(), WriteError> {
        let place = self.place(at.space, key);
        let mut new = place.index.new_version(key, NewValue::Bytes(value), kind, expire_at_ms)?;
        self.admit_counted(|| new.bytes(), at.now_ms)?;
        let guard = self.collector.pin();
        loop {
            let target = self.target(&guard, &place);
            match self.write(&guard, &place, &target, new) {
                Ok(()) => return Ok(()),
                Err(not_written) => new = raced(not_written)?,
            }
        }
    }

    /// Runs `f` on what the key is and does what it says.
    pub(crate) fn update<R>(
        &self,
        at: At,
        key: &[u8],
        mut f: impl FnMut(Option<Entry<'_, O>>, &mut Draft<'_, O>) -> R,
    ) -> Result<R, WriteError> {
        self.tell_time(at.now_ms);
        let place = self.place(at.space, key);
        let guard = self.collector.pin();
        loop {
            let any_loads = self.loads.any();
            let target = self.target(&guard, &place);
            let mut draft = Draft::of_version(place.index, key);
            let result = f(target.visible(at.now_ms), &mut draft);
            let decision = match draft.decision {
                Decision::Remove if !self.removal_matters(&guard, &place, &target, any_loads) => {
                    Decision::Keep
                }
                decision => decision,
            };
            let Some(new) = new_version(&place, &target, at.now_ms, decision)? else {
                self.saw(target.base);
                return Ok(result);
            };
            let before = target.base.map_or(0, |(base, _)| base.bytes() + base.object_bytes());
            let growth = (new.bytes() + new.object_bytes()).saturating_sub(before);
            if growth > 0 && !new.is_tombstone() {
                self.admit(growth, at.now_ms)?;
            }
            match self.write(&guard, &place, &target, new) {
                Ok(()) => return Ok(result),
                Err(refused) => drop(raced(refused)?),
            }
        }
    }

    /// Removes a key if its value has expired. What is there now if not.
    pub(crate) fn remove_expired(
        &self,
        place: &Place<'_, O>,
        now_ms: u64,
    ) -> Result<Expiring, WriteError> {
        let guard = self.collector.pin();
        loop {
            let target = self.target(&guard, place);
            let Some((version, _)) = target.base.filter(|_| target.is_value()) else {
                return Ok(Expiring::Never);
            };
            match version.expire_at() {
                None => return Ok(Expiring::Never),
                Some(at) if at > now_ms => return Ok(Expiring::At(at)),
                Some(_) => {}
            }
            let tombstone = place.index.new_version(place.key, NewValue::Tombstone, 0, None)?;
            match self.write(&guard, place, &target, tombstone) {
                Ok(()) => {
                    self.counters.own().add(Figure::ExpiredKeys, 1);
                    drop(guard);
                    self.tell_of_removal(place.space, place.key, RemovalReason::Expired);
                    return Ok(Expiring::Removed);
                }
                Err(refused) => drop(raced(refused)?),
            }
        }
    }

    /// The key's head, made final, and its newest committed version. Inlined, so that what is found comes in registers: written in parts and read as a
    /// whole it would wait in memory until the misses before it are over.
    #[inline(always)]
    pub(crate) fn target<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        place: &Place<'g, O>,
    ) -> Target<'g, O> {
        let Some(head) = uncapped(place.index.find(guard, place.hash, place.key)) else {
            return Target { head: None, base: None };
        };
        head.prefetch_birth();
        Target { head: Some(head), base: self.base(guard, head.version()) }
    }

    #[inline(always)]
    fn base<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        head: Version<'g, O>,
    ) -> Option<(Version<'g, O>, VersionStamp)> {
        if let Standing::Pending(descriptor) = self.standing(head) {
            self.clear_the_way(guard, descriptor);
        }
        self.latest(guard, head)
    }

    /// Brings a commit that stands in the way of a write to its end.
    #[cold]
    fn clear_the_way<'g>(&self, guard: &'g Guard<'g>, descriptor: &'g Descriptor) {
        for look in 0u32.. {
            match descriptor.status() {
                Status::Committed | Status::Aborted => return,
                Status::Prepared => {
                    self.help_decide(guard, descriptor);
                    return;
                }
                Status::Installing if descriptor.priority && look < PRIORITY_PATIENCE => {
                    thread::yield_now()
                }
                Status::Installing if !descriptor.priority && look < PATIENCE => hint::spin_loop(),
                Status::Installing => {
                    if descriptor.kill() {
                        self.counters.own().add(Figure::Helps, 1);
                        return;
                    }
                }
            }
        }
    }

    /// Installs `new` on `target`, stamps it, and does what follows from it.
    #[inline]
    pub(crate) fn write<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        place: &Place<'g, O>,
        target: &Target<'g, O>,
        new: NewVersion<O>,
    ) -> Result<(), NotWritten<O>> {
        self.write_then(guard, place, target, new, || ())
    }

    /// As `write`; `then` is run when the write has happened, before old versions are looked after.
    #[inline]
    pub(crate) fn write_then<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        place: &Place<'g, O>,
        target: &Target<'g, O>,
        new: NewVersion<O>,
        then: impl FnOnce(),
    ) -> Result<(), NotWritten<O>> {
        #[cfg(stillpoint_loom)]
        if self.lacks(crate::Mutation::AnnounceAfterInstall) {
            let publish = |version, stamp| {
                if let Ok(Some(announcement)) = self.announce() {
                    announcement.publish_one(self, place.space, version, stamp);
                }
                then();
            };
            return Ok(self.write_quietly(guard, place, target, new, publish)?);
        }
        match self.announce() {
            Err(error) => Err(NotWritten::Stream(error)),
            Ok(None) => Ok(self.write_quietly(guard, place, target, new, |_, _| then())?),
            Ok(Some(announcement)) => {
                let publish = |version, stamp| {
                    announcement.publish_one(self, place.space, version, stamp);
                    then();
                };
                Ok(self.write_quietly(guard, place, target, new, publish)?)
            }
        }
    }

    /// As `write`, without a word to the stream; `then` is told of the version and its stamp.
    #[inline(always)]
    pub(crate) fn write_quietly<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        place: &Place<'g, O>,
        target: &Target<'g, O>,
        mut new: NewVersion<O>,
        then: impl FnOnce(Version<'g, O>, VersionStamp),
    ) -> Result<(), Refused<O>> {
        self.touch_new(&mut new, target.base);
        #[cfg(stillpoint_loom)]
        let early = self.clock.now();
        let install = |new| place.index.install(guard, place.hash, target.head.as_ref(), new);
        // Who replaces a version finds its key in order already.
        let ordered = if target.head.is_none() { self.ordered(place.space) } else { None };
        let version = match ordered {
            Some(ordered) => self.install_present(ordered, guard, place, || install(new))?,
            None => install(new)?,
        };
        #[cfg(stillpoint_loom)]
        if self.lacks(crate::Mutation::StampBeforeInstall) {
            let stamp = VersionStamp::on_top_of(target.base.map(|(_, stamp)| stamp), early);
            let _ = version.try_stamp(stamp.map_or(2, |stamp| stamp.0));
        }
        #[cfg(stillpoint_loom)]
        if self.lacks(crate::Mutation::PruneBeforeStamp) && self.leases.idle() {
            self.stamp_on(version, target.base.map(|(_, stamp)| stamp));
            place.index.prune(version, |_| false);
            return Ok(());
        }
        self.at_step(Step::Unstamped);
        let stamp = self.stamp_on(version, target.base.map(|(_, stamp)| stamp));
        self.at_step(Step::Stamped);
        then(version, stamp);
        let own = self.counters.own();
        self.written(guard, place, version, stamp, target.base, own);
        own.add(Figure::Commits, 1);
        if own.get(Figure::Commits) % TIDY_EVERY == 0 && self.limbo.own_waits() {
            self.tidy_own(TIDIED);
        }
        Ok(())
    }

    /// Tells the stream, if there is one, that a write begins.
    ///
    /// # Errors
    /// The log has failed.
    #[inline]
    pub(crate) fn announce(&self) -> Result<Option<Announcement<'_, O>>, WriteError> {
        let Some(Published(stream)) = &self.stream else { return Ok(None) };
        stream.admit(&self.clock)?;
        let announcement = stream.announce(&self.clock);
        self.at_step(Step::Announced);
        Ok(Some(announcement))
    }

    /// Tells the stream what an operation that writes nothing depends on: it is as good as done only when that is safe.
    #[inline]
    pub(crate) fn saw(&self, base: Option<(Version<'_, O>, VersionStamp)>) {
        if let Some(Published(stream)) = &self.stream {
            // A removed key leaves the index only when the clock is past its removal.
            let absent = || self.clock.now() - 1;
            stream.saw(base.map_or_else(absent, |(_, stamp)| stamp.timestamp()));
        }
    }

    /// Waits until the log has what the calling thread wrote, if there is a log that writers wait for. Not under a guard.
    ///
    /// # Errors
    /// The log has failed.
    #[inline]
    pub(crate) fn settled(&self) -> Result<(), WriteError> {
        match &self.stream {
            None => Ok(()),
            Some(Published(stream)) => stream.wait_for_own(&self.clock),
        }
    }

    /// Tells of a committed version, counts it, sees to its expiry, and cuts out what it superseded.
    #[inline(always)]
    pub(crate) fn written<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        place: &Place<'g, O>,
        version: Version<'g, O>,
        stamp: VersionStamp,
        base: Option<(Version<'g, O>, VersionStamp)>,
        own: Own<'_>,
    ) {
        self.waiters.notify(place.space, place.hash, place.key);
        if let Some(at) = version.expire_at() {
            self.note_expiry(place, at, base.and_then(|(base, _)| base.expire_at()));
        }
        match base {
            // Looked at after the stamp: what no lease needs is cut out before anything is counted, so that what comes and what goes are one sum.
            Some(base) if self.leases.idle() => {
                let pruned = place.index.prune(version, |_| false);
                self.count(place, version, Some(base.0), pruned, own);
                self.left_below(place, version, base.1);
            }
            // Now and then the whole chain is looked at, by who writes to it: where nobody else looks after versions, nothing else would cut out what a snapshot has left.
            Some(base) => match (own.get(Figure::Commits) % TIDY_EVERY != 0)
                .then(|| self.prune_base(place, version, stamp, base))
                .flatten()
            {
                Some(pruned) => self.count(place, version, Some(base.0), pruned, own),
                None => {
                    self.count(place, version, Some(base.0), Pruned::default(), own);
                    self.prune_below(place, version, stamp, base.1);
                }
            },
            None => {
                // Below can only be what was aborted, which means nothing to anybody.
                let pruned = match version.older() {
                    Some(_) => place.index.prune(version, |_| false),
                    None => Pruned::default(),
                };
                self.count(place, version, None, pruned, own);
            }
        }
        if version.is_tombstone() {
            self.bury(guard, place, version, stamp);
        }
    }

    #[inline(never)]
    fn note_expiry(&self, place: &Place<'_, O>, at: u64, before: Option<u64>) {
        // An entry at or before that time is on its way already if the base expires too; it will be moved on.
        if before.is_none_or(|before| before > at) {
            self.expiry.push(place.space, place.hash, at);
        }
    }

    /// Counts a version that was installed on `base`, and what was cut out below it.
    #[inline(always)]
    fn count(
        &self,
        place: &Place<'_, O>,
        version: Version<'_, O>,
        base: Option<Version<'_, O>>,
        pruned: Pruned,
        own: Own<'_>,
    ) {
        let objects = version.object_bytes() as i64;
        own.add(Figure::Versions, 1 - pruned.versions as i64);
        own.add(Figure::VersionBytes, version.bytes() as i64 - pruned.bytes as i64);
        if objects | pruned.object_bytes as i64 != 0 {
            own.add(Figure::ObjectBytes, objects - pruned.object_bytes as i64);
        }
        // As most that replace one: what is live takes as much as before.
        if !base.is_some_and(|base| version.is_sized_as(base)) {
            self.count_live(place, version, base, own);
        }
    }

    /// Counts what the newest committed version of a key changes.
    #[inline(never)]
    fn count_live(
        &self,
        place: &Place<'_, O>,
        version: Version<'_, O>,
        base: Option<Version<'_, O>>,
        own: Own<'_>,
    ) {
        let live = |version: Version<'_, O>| match version.is_tombstone() {
            true => (0, 0, 0),
            false => (1, version.bytes() as i64, version.object_bytes() as i64),
        };
        let (keys, bytes, objects) = live(version);
        let (keys_before, bytes_before, objects_before) = base.map_or((0, 0, 0), live);
        own.add(Figure::LiveBytes, bytes - bytes_before);
        self.note_change(bytes + objects - bytes_before - objects_before);
        if objects | objects_before != 0 {
            own.add(Figure::LiveObjectBytes, objects - objects_before);
        }
        if keys != keys_before {
            own.add_keys(place.space, keys - keys_before);
            own.add(Figure::KeyBytes, (keys - keys_before) * place.key.len() as i64);
        }
    }
}

/// What `remove_expired` found.
pub(crate) enum Expiring {
    /// The value had expired; the key is removed.
    Removed,
    /// There is a value that expires at this time.
    At(u64),
    /// There is none that ever expires.
    Never,
}

/// The version that a decision asks for, if any.
fn new_version<O: Send + Sync + 'static>(
    place: &Place<'_, O>,
    target: &Target<'_, O>,
    now_ms: u64,
    decision: Decision<O>,
) -> Result<Option<NewVersion<O>>, WriteError> {
    match decision {
        Decision::Keep => Ok(None),
        Decision::Refuse(error) => Err(error),
        Decision::Install(new) => Ok(Some(new)),
        Decision::Remove => {
            Ok(Some(place.index.new_version(place.key, NewValue::Tombstone, 0, None)?))
        }
        Decision::Expire(expire_at_ms) => {
            let Some(entry) = target.visible(now_ms) else { return Ok(None) };
            Ok(Some(place.index.new_version(
                place.key,
                entry.value().as_new(),
                entry.kind(),
                expire_at_ms,
            )?))
        }
    }
}

/// Why a version was not installed.
pub(crate) enum NotWritten<O: Send + Sync + 'static> {
    Refused(Refused<O>),
    Stream(WriteError),
}

impl<O: Send + Sync + 'static> From<Refused<O>> for NotWritten<O> {
    fn from(refused: Refused<O>) -> Self {
        NotWritten::Refused(refused)
    }
}

/// The version back if the install was refused for a race.
pub(crate) fn raced<O: Send + Sync + 'static>(
    not_written: impl Into<NotWritten<O>>,
) -> Result<NewVersion<O>, WriteError> {
    match not_written.into() {
        NotWritten::Stream(error) => Err(error),
        NotWritten::Refused(Refused { reason: RefusedReason::OutOfMemory, version }) => {
            Err(WriteError::OutOfMemory { bytes: version.bytes() })
        }
        NotWritten::Refused(refused) => Ok(refused.version),
    }
}

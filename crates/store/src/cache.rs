//! Loading cache: [`Store::get_or_load`], which loads what is absent, once for all who ask for it at the same time.
//!
//! ```text
//!  get ─▶ there? ─ yes ─▶ done
//!   ▲      │ no
//!   │   join the key's flight ─┬─ there is one: wait for its end ─┬─ value, none, or error of its loader: done
//!   │                          │                                  └─ void ─▶ again
//!   │                          └─ there is none: lead ─▶ begin a transaction, read the key absent ─▶ load ─▶ close ─▶ commit ─▶ end
//!   └──────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//! | file | concept |
//! |---|---|
//! | `flight` | loads under way, at most one a key; who waits for which |
//! | `loaded` | what a loader hands over, and how it is kept |
//!
//! # Why no old value replaces a newer one
//! 1. The leader's transaction reads the key before it loads. A write of the key from then on, a removal too, has a later timestamp, and the commit,
//!    which validates the key, is refused. The transaction's lease keeps the tombstone of a removal until then.
//! 2. To remove a key that is absent writes nothing, so it would not be met. But whoever does so looks whether there are flights at all, then at the key, and if
//!    there were, at the key's flight and once more at the key: it writes a tombstone if it finds either (`Engine::removal_matters`). A leader registers its
//!    flight before it loads, and takes it out after its commit. So if the removal finds neither flight nor value, every load of the key had ended before
//!    the last look and left nothing, or begins later than the removal, and finds what was true before that was called.
//! 3. A waiter takes the leader's outcome only if it joined before the flight was closed, which comes before the commit, or before the look whether the
//!    key has been written: so no write of the key ended between the beginning of the load and the waiter's call. If there was a write the flight ends
//!    void, and the waiters look anew; the leader itself may return what it loaded, for its call was there before the write.
//!
//! # Progress
//! Who finds the value has made a read and nothing else. Waiting for a load blocks, as it says. No lock is held while a loader runs.

mod flight;
mod loaded;

pub(crate) use flight::Loads;
pub use loaded::{LoadOptions, Loaded};

use crate::Store;
use crate::config::At;
use crate::draft::OwnedValue;
use crate::engine::Engine;
use crate::error::{CommitError, LoadError, WriteError};
use crate::owned_entry::OwnedEntry;
use crate::transaction::Transaction;
use crate::write::{Place, Target};
use flight::{Ending, Joined, Lead, Waiting, name};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;
use stillpoint_structures::Guard;

impl<O: Send + Sync + 'static> Store<O> {
    /// Reads `key`, and loads it if it is absent: of all who ask for it meanwhile one runs its `load`, and all get what that returned. The value is kept
    /// in the store; `None` is not (a loader that wants absence remembered hands over a value that says so, with a time to live).
    ///
    /// If the key is written or removed while the loader runs, that wins: what was loaded before is returned to the caller who loaded it, and not kept. So
    /// is a value for which there is no room. If the loader fails, all who wait for it get its error, and the next call loads again; if it panics, one of
    /// them runs its own loader. Errors of another type than a caller's own it does not get: it tries for itself.
    ///
    /// # Progress
    /// A read if the key is there. Otherwise blocking, on the loader; in a task use [`get_or_load_async`](Store::get_or_load_async).
    ///
    /// # Errors
    /// The loader's; or the loader of the key, directly or through loaders of other keys, asks for the key itself and would wait for ever.
    ///
    /// # Panics
    /// If the loader does, and if the store has no such space.
    ///
    /// # Cost
    /// A copy of the value. While a loader runs it holds a snapshot, so keys that are written meanwhile keep one older version each.
    ///
    /// # Examples
    /// ```
    /// use std::convert::Infallible;
    /// use std::time::Duration;
    /// use stillpoint_store::{At, Config, LoadOptions, Loaded, Store};
    ///
    /// let store: Store = Store::new(Config::default());
    /// let at = At { space: 0, now_ms: 1_000 };
    /// let options = LoadOptions::default().time_to_live(Duration::from_secs(60));
    /// for _ in 0..3 {
    ///     let rate = store.get_or_load(at, b"EURUSD", options, || {
    ///         println!("asked for once");
    ///         Ok::<_, Infallible>(Some(Loaded::bytes(b"1.0842")))
    ///     })?;
    ///     assert_eq!(rate.unwrap().bytes(), Some(&b"1.0842"[..]));
    /// }
    /// assert_eq!(store.stats().loads, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_or_load<E: Send + Sync + 'static>(
        &self,
        at: At,
        key: &[u8],
        options: LoadOptions,
        load: impl FnOnce() -> Result<Option<Loaded<O>>, E>,
    ) -> Result<Option<OwnedEntry<O>>, LoadError<E>> {
        let mut call = Call { store: self, at, key, options, missed: None };
        loop {
            match call.turn() {
                Turn::Found(entry) => return Ok(Some(entry)),
                Turn::Circular => return Err(call.circular()),
                Turn::Waits(waiting) => {
                    if let Some(result) = outcome(waiting.wait()) {
                        return result;
                    }
                }
                Turn::Leads(leading) => {
                    let result = {
                        let _running = leading.lead.run();
                        load()
                    };
                    return leading.finish(&call, result);
                }
            }
        }
    }

    /// As [`get_or_load`](Store::get_or_load), for tasks. If the task that loads is dropped, one of the others loads with its own future.
    ///
    /// A loader that asks for its own key is told so where it asks within its own future, not in another task that it waits for.
    ///
    /// # Errors
    /// As [`get_or_load`](Store::get_or_load).
    ///
    /// # Panics
    /// As [`get_or_load`](Store::get_or_load).
    pub async fn get_or_load_async<E: Send + Sync + 'static>(
        &self,
        at: At,
        key: &[u8],
        options: LoadOptions,
        load: impl Future<Output = Result<Option<Loaded<O>>, E>>,
    ) -> Result<Option<OwnedEntry<O>>, LoadError<E>> {
        let mut call = Call { store: self, at, key, options, missed: None };
        let mut load = pin!(load);
        loop {
            match call.turn() {
                Turn::Found(entry) => return Ok(Some(entry)),
                Turn::Circular => return Err(call.circular()),
                Turn::Waits(mut waiting) => {
                    if let Some(result) = outcome(poll_fn(|task| waiting.poll(task)).await) {
                        return result;
                    }
                }
                Turn::Leads(leading) => {
                    let running = poll_fn(|task| {
                        let _running = leading.lead.run();
                        load.as_mut().poll(task)
                    });
                    let result = running.await;
                    return leading.finish(&call, result);
                }
            }
        }
    }
}

/// What a flight's end means to a caller with errors of type `E`; `None`: it has to look anew.
fn outcome<O, E: Send + Sync + 'static>(
    ending: Option<Ending<O>>,
) -> Option<Result<Option<OwnedEntry<O>>, LoadError<E>>> {
    match ending? {
        Ending::Value(entry) => Some(Ok(entry.map(|entry| (*entry).clone()))),
        Ending::Failed(error) => error.downcast().ok().map(|error| Err(LoadError::Failed(error))),
        Ending::Void => None,
    }
}

/// One call, which may take more than one turn.
struct Call<'s, O: Send + Sync + 'static> {
    store: &'s Store<O>,
    at: At,
    key: &'s [u8],
    options: LoadOptions,
    /// When it first found the key absent.
    missed: Option<Instant>,
}

/// What a look at the key leads to.
enum Turn<'s, O: Send + Sync + 'static> {
    Found(OwnedEntry<O>),
    Waits(Waiting<'s, O>),
    Leads(Box<Leading<'s, O>>),
    Circular,
}

impl<'s, O: Send + Sync + 'static> Call<'s, O> {
    /// The caller's clock, as far as time has passed since the call began to take some.
    fn now(&self) -> At {
        let passed = self.missed.map_or(0, |missed| missed.elapsed().as_millis());
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        At { now_ms: self.at.now_ms.saturating_add(passed), ..self.at }
    }

    fn circular<E>(&self) -> LoadError<E> {
        LoadError::Circular { key: self.key.to_vec() }
    }

    fn turn(&mut self) -> Turn<'s, O> {
        let at = self.now();
        let found = self.store.get_or_expire_with(at, self.key, |entry| entry.map(OwnedEntry::of));
        let found = match found {
            Some(entry) if !self.options.is_due(&entry.entry(), at.now_ms) => {
                return Turn::Found(entry);
            }
            found => found,
        };
        self.missed.get_or_insert_with(Instant::now);
        match (self.store.engine.loads.join(name(at.space, self.key)), found) {
            (Joined::Leads(lead), found) => self.lead(lead, found),
            (_, Some(entry)) => Turn::Found(entry),
            (Joined::Waits(waiting), None) => Turn::Waits(waiting),
            (Joined::Circular, None) => Turn::Circular,
        }
    }

    /// Looks again, in the transaction that will put the loaded value there; somebody's load may have ended just now.
    fn lead(&self, lead: Lead<'s, O>, stale: Option<OwnedEntry<O>>) -> Turn<'s, O> {
        let at = self.now();
        let mut transaction = self.store.begin(at.now_ms);
        let found = transaction.get_with(at.space, self.key, |entry| entry.map(OwnedEntry::of));
        let stale = match found {
            Ok(Some(entry)) if !self.options.is_due(&entry.entry(), at.now_ms) => {
                return Turn::Found(entry);
            }
            Ok(found) => found,
            // Ended under pressure at once: what is loaded will not be kept.
            Err(_) => stale,
        };
        lead.begin();
        Turn::Leads(Box::new(Leading { lead, transaction, stale }))
    }
}

/// A caller who is to load.
struct Leading<'s, O: Send + Sync + 'static> {
    lead: Lead<'s, O>,
    /// Has read the key before anything is loaded.
    transaction: Transaction<O>,
    /// What is still there, and is to be refreshed.
    stale: Option<OwnedEntry<O>>,
}

impl<O: Send + Sync + 'static> Leading<'_, O> {
    /// Hands the loader's result to all, and keeps it.
    fn finish<E: Send + Sync + 'static>(
        self,
        call: &Call<'_, O>,
        result: Result<Option<Loaded<O>>, E>,
    ) -> Result<Option<OwnedEntry<O>>, LoadError<E>> {
        let Leading { lead, mut transaction, stale } = self;
        // Who joins from here on has called after what follows may have been overtaken.
        lead.close();
        let is_overtaken = transaction.has_changed();
        let valid = |ending| if is_overtaken { Ending::Void } else { ending };
        let At { space, now_ms } = call.now();
        match result {
            Err(error) => {
                drop(transaction);
                let error = Arc::new(error);
                lead.failed(valid(Ending::Failed(error.clone())));
                stale.map_or(Err(LoadError::Failed(error)), |stale| Ok(Some(stale)))
            }
            Ok(None) => {
                if stale.is_some() {
                    transaction.remove(space, call.key);
                }
                // Without a stale value there is nothing to commit; and one that stays expires soon.
                drop(transaction.commit());
                lead.end(valid(Ending::Value(None)));
                Ok(None)
            }
            Ok(Some(loaded)) => {
                let entry = Arc::new(loaded.into_entry(call.key, now_ms, call.options));
                let ending = match put(transaction, space, &entry) {
                    Ok(()) => Ending::Value(Some(Arc::clone(&entry))),
                    Err(CommitError::Write(_)) => valid(Ending::Value(Some(Arc::clone(&entry)))),
                    Err(_) => Ending::Void,
                };
                lead.end(ending);
                Ok(Some(Arc::unwrap_or_clone(entry)))
            }
        }
    }
}

/// Commits a loaded entry if the key is as the transaction has read it.
fn put<O: Send + Sync + 'static>(
    mut transaction: Transaction<O>,
    space: u8,
    entry: &OwnedEntry<O>,
) -> Result<(), CommitError> {
    let (kind, expire_at_ms) = (entry.entry().kind(), entry.entry().expire_at_ms());
    match entry.value() {
        OwnedValue::Bytes(bytes) => {
            transaction.set(space, entry.key(), kind, bytes, expire_at_ms);
        }
        OwnedValue::Object(object) => {
            let object = Arc::clone(object);
            transaction.set_object(space, entry.key(), kind, object, expire_at_ms);
        }
    }
    transaction.commit()
}

impl<O: Send + Sync + 'static> Engine<O> {
    /// Whether a removal has to be written: there is a value, or somebody loads one. `any_loads`: whether anybody loaded anything before the target was
    /// looked at.
    #[inline]
    pub(crate) fn removal_matters<'g>(
        &'g self,
        guard: &'g Guard<'g>,
        place: &Place<'g, O>,
        target: &Target<'g, O>,
        any_loads: bool,
    ) -> bool {
        target.is_value() || any_loads && self.is_being_loaded(guard, place)
    }

    /// A load may also have ended since the target was looked at: then there is a value.
    #[cold]
    fn is_being_loaded<'g>(&'g self, guard: &'g Guard<'g>, place: &Place<'g, O>) -> bool {
        self.loads.has(place.space, place.key) || self.target(guard, place).is_value()
    }

    /// Removes what is being loaded into a space, before it is there.
    pub(crate) fn overtake_loads(&self, at: At) -> Result<(), WriteError> {
        for key in self.loads.keys_of(at.space) {
            self.update(at, &key, |_, draft| draft.remove())?;
        }
        Ok(())
    }
}

//! One change to one leaf: found without the lock, made under it if the leaf is as it was found.
//!
//! | change | under the leaf's lock, if the order is the one that was read | takes effect with |
//! |---|---|---|
//! | a new key | slot filled, order with the slot stored | the order |
//! | another value | if the value is the one that was read: the slot's value stored | the value |
//! | a key taken out | the same; order without the slot stored | the order |
//!
//! No code of the user's runs under the lock: keys are compared and cloned, closures called, values dropped before it is taken or after it is given up. So
//! nothing under it can panic, or come back to the map.
//!
//! What a change takes out is protected for the caller since it was loaded; it is retired after the lock is given up.
//!
//! Tags: none of its own.

use super::OrderedMap;
use super::find::{Found, Located};
use super::leaf::{Held, View, shared};
use super::order::CAPACITY;
use std::borrow::Borrow;
use stillpoint_reclaim::{NodeAlloc, Owned, Protect, Restart, Scheme};

/// What became of a new key.
enum Put<'g, K, V> {
    Done(&'g K, &'g V),
    /// All slots have been used.
    Full,
    /// The leaf has changed.
    Changed,
}

/// A key with a new value, until both are in the map; or until the value alone is.
pub(super) type New<K, V, A> = Option<(K, Owned<V, A>)>;

/// What an insertion found and left.
pub(super) enum Stored<'g, K, V> {
    New(&'g V),
    Replaced { old: (&'g K, &'g V), new: &'g V },
    There(&'g V),
}

impl<K, V, S, A> OrderedMap<K, V, S, A>
where
    K: Ord + Clone + Send + 'static,
    V: Send + 'static,
    S: Scheme,
    A: NodeAlloc,
{
    /// Puts an entry in. `new` has the value afterwards only if the key was there and is to stay.
    pub(super) fn try_insert<'g>(
        &'g self,
        new: &mut New<K, V, A>,
        replaces: bool,
        guard: &'g S::Guard<'_>,
    ) -> Result<Stored<'g, K, V>, Restart> {
        loop {
            let key = &new.as_ref().expect("not put in yet").0;
            match self.locate(key, guard)? {
                Located::Found(found) if !replaces => return Ok(Stored::There(found.entry.1)),
                Located::Found(found) => {
                    if let Some(value) = self.replace(&found, new, guard) {
                        return Ok(Stored::Replaced { old: found.entry, new: value });
                    }
                }
                Located::Vacant(view, position) => {
                    if let Some((_, value)) = self.add(view, position, new, guard)? {
                        return Ok(Stored::New(value));
                    }
                }
            }
        }
    }

    /// Takes a key out, if `wanted` says so of what is there.
    pub(super) fn try_remove<'g, Q>(
        &'g self,
        key: &Q,
        mut wanted: impl FnMut(&K, &V) -> bool,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<(&'g K, &'g V)>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        loop {
            let Located::Found(found) = self.locate(key, guard)? else { return Ok(None) };
            if !wanted(found.entry.0, found.entry.1) {
                return Ok(None);
            }
            if self.take_out(&found, guard) {
                return Ok(Some(found.entry));
            }
        }
    }

    /// The leaf's lock, if the leaf has not changed.
    fn hold<'g>(&self, view: View<'g, K, V>) -> Option<Held<'g, K, V>> {
        let held = view.leaf().hold();
        #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
        if self.mutation == super::Mutation::NoSecondLook {
            return Some(held);
        }
        (held.order() == view.order()).then_some(held)
    }

    /// Puts the value of `new` in the place of one that was found; drops the key. `None`, and `new` as it was, if that one is not there any
    /// more.
    pub(super) fn replace<'g>(
        &'g self,
        found: &Found<'g, K, V>,
        new: &mut New<K, V, A>,
        guard: &'g S::Guard<'_>,
    ) -> Option<&'g V> {
        let slot = found.view.order().slot(found.position);
        let held = self.hold(found.view)?;
        if held.value(slot).load_unprotected() != found.value.unprotected() {
            return None;
        }
        let (key, value) = new.take().expect("not put in yet");
        let value = shared(value);
        held.replace(slot, value);
        drop(held);
        self.retire_value(found, guard);
        drop(key);
        // SAFETY: never null; made under a guard of this section, which protects it.
        Some(unsafe { value.deref() })
    }

    /// Takes out what was found; false if it is not there any more.
    pub(super) fn take_out<'g>(&'g self, found: &Found<'g, K, V>, guard: &'g S::Guard<'_>) -> bool {
        let order = found.view.order();
        let Some(held) = self.hold(found.view) else { return false };
        if held.value(order.slot(found.position)).load_unprotected() != found.value.unprotected() {
            return false;
        }
        held.set(order.without(found.position));
        drop(held);
        self.len.add(u64::MAX);
        self.retire_value(found, guard);
        if order.len() == 1 {
            // The entry is out, whatever comes of this: past a cap, an empty leaf stays.
            let _ = guard.retrying(|guard| self.unlink(found.entry.0, guard));
        }
        true
    }

    fn retire_value<'g>(&'g self, found: &Found<'g, K, V>, guard: &'g S::Guard<'_>) {
        #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
        if self.mutation == super::Mutation::FreeAtOnce {
            // SAFETY: none; a model must find it.
            return drop(unsafe { found.value.into_owned::<A>() });
        }
        // SAFETY: its slot, the only one that named it, does not any more, by our hand under the lock; made by an `A`.
        unsafe { found.value.retire_in::<A, _>(guard) };
    }

    /// Puts `new` in where its key would be. `None`, and `new` as it was, if the leaf has changed or was full; then it is not any more.
    pub(super) fn add<'g>(
        &'g self,
        view: View<'g, K, V>,
        position: usize,
        new: &mut New<K, V, A>,
        guard: &'g S::Guard<'_>,
    ) -> Result<Option<(&'g K, &'g V)>, Restart> {
        match self.try_put(view, position, new) {
            Put::Done(key, value) => {
                self.len.add(1);
                return Ok(Some((key, value)));
            }
            Put::Full => {
                let key = &new.as_ref().expect("not put in").0;
                self.make_room(key, guard)?;
            }
            Put::Changed => {}
        }
        Ok(None)
    }

    fn try_put<'g>(
        &'g self,
        view: View<'g, K, V>,
        position: usize,
        new: &mut New<K, V, A>,
    ) -> Put<'g, K, V> {
        if view.order().used() >= self.slots() {
            return Put::Full;
        }
        let Some(held) = self.hold(view) else { return Put::Changed };
        let (key, value) = new.take().expect("not put in yet");
        let (key, value) = held.put(position, key, value);
        drop(held);
        // SAFETY: never null; made under a guard of this section, which protects it.
        Put::Done(key, unsafe { value.deref() })
    }

    /// Slots of a leaf.
    pub(super) fn slots(&self) -> usize {
        self.fanout.min(CAPACITY)
    }
}

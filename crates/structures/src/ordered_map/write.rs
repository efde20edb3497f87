//! What changes entries: a value by a CAS on its link, a new key by a slot and a CAS on the leaf's order.
//!
//! Progress: lock-free. An attempt fails when another change to the same link or leaf succeeded, or when the leaf is being replaced, which the
//! attempt then helps with ([`repair`](super::repair)).
//!
//! A removed key leaves its slot, with a null link, until its leaf is copied; inserting it again fills the link.
//!
//! Tags: `[own]` a link of a slot of one's own, published with the order.

use super::map::OrderedMap;
use super::node::{FROZEN_LINK, Node};
use super::order::Order;
use std::borrow::Borrow;
use stillpoint_primitive::sync::atomic::Ordering;
use stillpoint_reclaim::{Atomic, NodeAlloc, Owned, Protect, Restart, Scheme};

/// What [`compute`](super::Pinned::compute) does to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<V> {
    /// The key has this value from now on.
    Put(V),
    /// The key is absent from now on.
    Remove,
    /// Nothing.
    Keep,
}

/// What [`compute`](super::Pinned::compute) found and left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Computed<'g, V> {
    /// The value that was there.
    pub before: Option<&'g V>,
    /// The value that is there now.
    pub after: Option<&'g V>,
}

/// As [`Change`], with a value ready to be published.
pub(super) enum Step<V, A: NodeAlloc> {
    Put(Owned<V, A>),
    Remove,
    Keep,
}

/// What to do, given the value that is there and what could not be put the last time.
pub(super) trait Decide<V, A: NodeAlloc>:
    FnMut(Option<&V>, Option<Owned<V, A>>) -> Step<V, A>
{
}
impl<V, A, F> Decide<V, A> for F
where
    A: NodeAlloc,
    F: FnMut(Option<&V>, Option<Owned<V, A>>) -> Step<V, A>,
{
}

impl<K, V, S, A> OrderedMap<K, V, S, A>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: Scheme,
    A: NodeAlloc,
{
    /// Does as `decide` says to the entry at `key`, present or not.
    pub(super) fn change<'g, G: Protect>(
        &self,
        key: K,
        mut decide: impl Decide<V, A>,
        guard: &'g G,
    ) -> Result<Computed<'g, V>, Restart> {
        let mut key = Some(key);
        let mut unused = None;
        guard.retrying(|guard| self.attempt_change(&mut key, &mut unused, &mut decide, guard))
    }

    fn attempt_change<'g, G: Protect>(
        &self,
        key: &mut Option<K>,
        unused: &mut Option<Owned<V, A>>,
        decide: &mut impl Decide<V, A>,
        guard: &'g G,
    ) -> Result<Computed<'g, V>, Restart> {
        loop {
            let wanted = key.as_ref().expect("given back when it could not be published");
            let Some(leaf) = self.leaf_at(wanted, guard)? else {
                self.repair(wanted, guard)?;
                continue;
            };
            let order = leaf.order();
            match leaf.find(order, wanted) {
                (_, Some(slot)) => {
                    let values = leaf.values().expect("a leaf");
                    if let Some(done) = self.change_value(&values[slot], unused, decide, guard)? {
                        return Ok(done);
                    }
                }
                (position, None) => match decide(None, unused.take()) {
                    Step::Remove | Step::Keep => return Ok(Computed { before: None, after: None }),
                    Step::Put(new) => match self.add(leaf, order, position, key, new, guard) {
                        Ok(after) => return Ok(Computed { before: None, after: Some(after) }),
                        Err(new) => *unused = Some(new),
                    },
                },
            }
            let wanted = key.as_ref().expect("given back when it could not be published");
            self.repair(wanted, guard)?;
        }
    }

    /// Does as `decide` says to the entry at `key` if there is one; `decide` does not put where there is none.
    pub(super) fn change_present<'g, Q, G>(
        &self,
        key: &Q,
        mut decide: impl Decide<V, A>,
        guard: &'g G,
    ) -> Result<Computed<'g, V>, Restart>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        let mut unused = None;
        guard.retrying(|guard| {
            loop {
                let Some(leaf) = self.leaf_at(key, guard)? else {
                    self.repair(key, guard)?;
                    continue;
                };
                let (_, Some(slot)) = leaf.find(leaf.order(), key) else {
                    return Ok(Computed { before: None, after: None });
                };
                let values = leaf.values().expect("a leaf");
                let done = self.change_value(&values[slot], &mut unused, &mut decide, guard)?;
                if let Some(done) = done {
                    return Ok(done);
                }
                self.repair(key, guard)?;
            }
        })
    }

    /// Changes what a link of a leaf leads to; `None` when it is frozen.
    fn change_value<'g, G: Protect>(
        &self,
        link: &Atomic<V>,
        unused: &mut Option<Owned<V, A>>,
        decide: &mut impl Decide<V, A>,
        guard: &'g G,
    ) -> Result<Option<Computed<'g, V>>, Restart> {
        loop {
            let seen = guard.protect(0, link)?;
            if seen.tag() == FROZEN_LINK {
                return Ok(None);
            }
            // SAFETY: protected.
            let before = unsafe { seen.as_ref() };
            let after = match decide(before, unused.take()) {
                Step::Keep => return Ok(Some(Computed { before, after: before })),
                Step::Remove if before.is_none() => None,
                Step::Remove => {
                    match link.compare_exchange(seen, stillpoint_reclaim::Shared::null()) {
                        Ok(_) => None,
                        Err(_) => continue,
                    }
                }
                Step::Put(new) => match link.compare_exchange_owned(seen, new, guard) {
                    // SAFETY: published under this guard, which covers it.
                    Ok(new) => Some(unsafe { new.deref() }),
                    Err(refused) => {
                        *unused = Some(refused.new);
                        continue;
                    }
                },
            };
            match (before, after) {
                (None, Some(_)) => self.count(1),
                (Some(_), None) => self.count(u64::MAX),
                _ => {}
            }
            // SAFETY: unlinked just now, by us alone; null does nothing.
            unsafe { seen.retire_in::<A, G>(guard) };
            return Ok(Some(Computed { before, after }));
        }
    }

    /// Adds a key to a leaf whose `order` does not have it; gives the value back when the leaf is full or frozen or has the key by now.
    fn add<'g, G: Protect>(
        &self,
        leaf: &Node<K, V>,
        mut order: Order,
        mut position: usize,
        key: &mut Option<K>,
        value: Owned<V, A>,
        guard: &'g G,
    ) -> Result<&'g V, Owned<V, A>> {
        let _ = guard;
        if self.refuses(order) {
            return Err(value);
        }
        let Some(slot) = leaf.claim(self.fanout) else { return Err(value) };
        let values = leaf.values().expect("a leaf");
        let mut place = Atomic::new(value);
        let shared = place.load_exclusive();
        let after: *const V = shared.as_ptr();
        // Relaxed [own]: published with the order.
        values[slot].store(shared, Ordering::Relaxed);
        // SAFETY: claimed above.
        unsafe { leaf.put_key(slot, key.take().expect("a key to publish")) };
        loop {
            if leaf.try_publish(order, order.with(position, slot)) {
                self.count(1);
                // SAFETY: published under this guard, which covers it.
                return Ok(unsafe { &*after });
            }
            order = leaf.order();
            if self.refuses(order) {
                break;
            }
            // SAFETY: claimed above, has a key.
            let own = unsafe { leaf.key(slot) };
            let found = leaf.find(order, own);
            position = found.0;
            if found.1.is_some() {
                break;
            }
        }
        // SAFETY: claimed above, and not published.
        *key = Some(unsafe { leaf.take_key(slot) });
        // SAFETY: not published; made from an `A`.
        let value = unsafe { place.take_owned() };
        Err(value.expect("made above"))
    }

    /// Whether nothing may enter under this order.
    fn refuses(&self, order: Order) -> bool {
        #[cfg(stillpoint_loom)]
        if self.mutation == super::Mutation::FrozenOrderReplaced {
            return false;
        }
        order.is_frozen()
    }

    /// After a removal: takes the leaf of `key` out if it is empty.
    pub(super) fn tidy<Q, G>(&self, key: &Q, guard: &G)
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        G: Protect,
    {
        // Past a cap it stays, until the next one.
        let _ = guard.retrying(|guard| self.prune(key, guard));
    }
}

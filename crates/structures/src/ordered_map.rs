//! [`OrderedMap`]: an ordered map with ranges, whose readers write nothing and wait for nobody.
//!
//! A B+tree. Nodes have 14 slots that are filled once and never again; one word, the node's *order*, says which slots there are and in which
//! order their keys are. So a reader that has the word has a sorted array that nobody changes under it.
//!
//! ```text
//! root ─▶ inner: order │ k₁ k₂ … │ ─▶ child  ─▶ child  ─▶ child
//!                                     < k₁      k₁ ≤ · < k₂
//!                                       │
//!                                       ▼
//!                        leaf: order │ keys │ ─▶ value  ─▶ value  null (removed)
//!
//! insert   claim a slot, fill it, CAS the order with the slot in its place
//! update   CAS the link from the old value to the new one
//! remove   CAS the link to null
//! full     freeze the node (order, then links), and put one or two new ones in its place
//! ```
//!
//! | operation | progress | cost |
//! |---|---|---|
//! | [`get`](Pinned::get), [`contains_key`](Pinned::contains_key) | wait-free where the scheme's loads are | a binary search a level |
//! | [`insert`](Pinned::insert), [`try_insert`](Pinned::try_insert), [`update`](Pinned::update), [`compute`](Pinned::compute) | lock-free | a search, an allocation, a CAS or two; every few new keys a leaf is copied |
//! | [`remove`](Pinned::remove), [`pop_first`](Pinned::pop_first), [`pop_last`](Pinned::pop_last) | lock-free | a search, a CAS; an empty leaf is taken out |
//! | [`range`](Pinned::range), [`iter`](Pinned::iter), from both ends | lock-free; writes nothing | a search a leaf |
//! | [`len`](OrderedMap::len) | wait-free | a step a thread |
//!
//! Ranges are weakly consistent: ascending, each key at most once; what is there all the time is met, what is inserted or removed meanwhile may be.
//!
//! Runs on the schemes that let frozen links be followed and protect all that a guard has loaded: epochs, leased or not, `rcu`, `rc`, `leak`.
//! `K: Clone`: a key is in its leaf, and copied with it; where clones cost much, take an `Arc`.
//!
//! # Invariants
//! 1. A slot's key is written before an order names the slot, and never again. An order only gains slots.
//! 2. What is not frozen is in the tree. A frozen order gains no slot, a frozen link changes no more. A node is replaced when all of it is
//!    frozen, and retired by whoever's CAS replaces it.
//! 3. Of a node that is too full, the right half is published first, in the parent, and then the left half in its place. Between the two the old
//!    node serves the left half.
//! 4. A child is taken only if its parent's order is the same after the load as before: else a split may have moved what is sought to the right.
//! 5. A live value is linked from one live link. Which of a frozen node's slots are live hangs on no comparison of keys: a wrong `Ord` mixes up
//!    entries, but never memory.
//!
//! So a change to a link or an order that is not frozen is a change to the map at that moment, a lookup takes effect when it loads the link (or
//! the order that lacks the key), and one that meets frozen nodes takes effect at the latest just before they were replaced, after it had begun.
//!
//! # Orderings
//! Orders are published with Release and read with Acquire, as links are; nothing else is needed: every decision is on one word, or on words that no
//! longer change. The second look at a parent's order comes after an Acquire load of the link; whoever put the left half there had seen, or made, the
//! order with the right half.
//!
//! # Not done
//! Leaves that are not empty are not merged: a map from which most keys are removed at random keeps its leaves until they are empty.
//!
//! Sources: the permutation word of Masstree (Mao, Kohler, Morris, EuroSys 2012); freezing before copying, from the lock-free B+tree of Braginsky and
//! Petrank (SPAA 2012); splitting right half first, from Lehman and Yao's B-link tree (1981). How they are put together, and halves told apart
//! without comparing keys, is Stillpoint's own.
//!
//! # Examples
//! ```
//! use std::ops::Bound;
//! use stillpoint_structures::OrderedMap;
//!
//! let map: OrderedMap<String, u32> = OrderedMap::new();
//! let pinned = map.pin();
//! pinned.insert("b".into(), 2);
//! pinned.insert("a".into(), 1);
//! assert_eq!(pinned.insert("b".into(), 3), Some(&2));
//! assert_eq!(pinned.get("b"), Some(&3));
//! assert_eq!(pinned.range::<str, _>((Bound::Included("a"), Bound::Unbounded)).count(), 2);
//! assert_eq!(pinned.update("a", |value| value * 10), Some(&10));
//! assert_eq!(pinned.pop_first(), Some((&"a".to_string(), &10)));
//! assert_eq!(pinned.len(), 1);
//! ```

mod map;
#[cfg(stillpoint_loom)]
mod mutation;
mod node;
mod order;
mod pinned;
mod range;
mod repair;
mod teardown;
mod tree;
mod write;

pub use map::OrderedMap;
#[cfg(stillpoint_loom)]
#[doc(hidden)]
pub use mutation::Mutation;
pub use pinned::Pinned;
pub use range::{Prefix, Range, TryRange};
pub use write::{Change, Computed};

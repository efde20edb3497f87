//! Keys and values run code of their own in the midst of an operation (`Eq`, `Ord`), and that code may use the very guard under which the
//! operation runs. With it a lease is renewed, which ends the traversals under it: what they would load next may be reclaimed already.
//!
//! In each test another thread changes the structure meanwhile so that the operation's next step would lead to reclaimed memory. (The ordered map tests each
//! node that it has loaded from once more, after the load; without that its tests here end in freed memory.)
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::alloc::Layout;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::thread;
use stillpoint_reclaim::{AllocError, Collector, Guard, NodeAlloc};
use stillpoint_structures::{HashMap, List, OrderedMap};

/// What the next comparison with the key of that number does first.
type Hook = (u64, Box<dyn FnOnce()>);

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

fn on_comparison_with(number: u64, hook: impl FnOnce() + 'static) {
    HOOK.set(Some((number, Box::new(hook))));
}

/// A key that runs the hook when it is compared. Its hash is its number's tens.
#[derive(Clone, Debug)]
struct Key(u64);

impl Key {
    fn meets(&self, other: &Self) {
        assert!(![self.0, other.0].contains(&POISONED), "a key that was reclaimed is looked at");
        let due = HOOK
            .with_borrow_mut(|hook| hook.take_if(|(number, _)| [self.0, other.0].contains(number)));
        if let Some((_, hook)) = due {
            hook();
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.meets(other);
        self.0 == other.0
    }
}
impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.meets(other);
        self.0.cmp(&other.0)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0 / 10);
    }
}

/// The number itself.
#[derive(Default)]
struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers");
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Overwrites what is freed, and never gives it out again.
#[derive(Clone, Default)]
struct Arena;

const POISON: u8 = 0xA5;
const POISONED: u64 = u64::from_ne_bytes([POISON; 8]);

// SAFETY: the system's memory, never given out twice.
unsafe impl NodeAlloc for Arena {
    fn alloc(&self, layout: Layout) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: a node is not empty.
        let block = unsafe { std::alloc::alloc(layout) };
        NonNull::new(block).ok_or(AllocError { bytes: layout.size() })
    }

    unsafe fn free(block: NonNull<u8>, layout: Layout) {
        // SAFETY: the block is its caller's.
        unsafe { block.write_bytes(POISON, layout.size()) };
        KEPT.lock().unwrap().push(block.addr().get());
    }
}

/// What is there for ever, so that no leak checker calls it a leak.
static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// So that hooks can have it.
fn for_ever<T>(value: T) -> &'static T {
    let value: &T = Box::leak(Box::new(value));
    KEPT.lock().unwrap().push(std::ptr::from_ref(value).addr());
    value
}

/// One that reclaims as soon as it may, and a guard of it whose reservation is of one epoch.
fn hasty() -> (&'static Collector, &'static Guard<'static>) {
    let uncapped = Collector::builder().max_lease_ticks(None);
    let collector = for_ever(uncapped.lease_ticks(0).batch_len(1).build());
    (collector, for_ever(collector.pin()))
}

/// Runs `step` on another thread, then reclaims.
fn elsewhere(collector: &'static Collector, step: impl FnOnce() + Send + 'static) {
    let other = thread::spawn(move || {
        step();
        collector.flush();
    });
    other.join().unwrap();
}

type Keys = List<Key, (), Collector, Arena>;

/// Makes the link of 10, which a reader stands at, lead to a node that was made after its lease and is reclaimed; then renews the lease.
fn cut_behind_10(list: &'static Keys, collector: &'static Collector, guard: &'static Guard<'_>) {
    on_comparison_with(10, move || {
        elsewhere(collector, || {
            (100..120).for_each(|key| assert!(list.insert(Key(key), ()).is_ok()));
            (100..120).for_each(|key| assert!(list.remove(&Key(key))));
            assert!(list.insert(Key(15), ()).is_ok());
            assert!(list.remove(&Key(10)) && list.remove(&Key(15)));
        });
        assert_eq!(list.get(&Key(1), guard), Ok(None));
    });
}

fn list_of_10_and_20() -> (&'static Keys, &'static Collector, &'static Guard<'static>) {
    let (collector, guard) = hasty();
    let list: &Keys = for_ever(List::in_alloc(collector.clone(), Arena));
    [10, 20].into_iter().for_each(|key| assert!(list.insert(Key(key), ()).is_ok()));
    (list, collector, guard)
}

#[test]
fn a_list_is_read_while_a_key_renews_the_guard() {
    let (list, collector, guard) = list_of_10_and_20();
    cut_behind_10(list, collector, guard);
    assert_eq!(list.get(&Key(20), guard), Ok(Some(&())));
}

#[test]
fn a_list_is_changed_while_a_key_renews_the_guard() {
    let (list, collector, guard) = list_of_10_and_20();
    cut_behind_10(list, collector, guard);
    assert_eq!(list.remove_entry(&Key(20), guard), Ok(Some((&Key(20), &()))));
}

/// The node given last was found under a lease that is over when the iterator comes to its end; that node's link must not be followed any more.
#[test]
fn a_lists_iterator_that_has_ended_stays_so() {
    let (collector, guard) = hasty();
    let list: &Keys = for_ever(List::in_alloc(collector.clone(), Arena));
    assert!(list.insert(Key(10), ()).is_ok());
    let mut iter = list.iter(guard);
    assert_eq!(iter.next(), Some((&Key(10), &())));
    elsewhere(collector, || {
        (100..120).for_each(|key| assert!(list.insert(Key(key), ()).is_ok()));
        (100..120).for_each(|key| assert!(list.remove(&Key(key))));
        assert!(list.insert(Key(15), ()).is_ok());
        assert!(list.remove(&Key(10)) && list.remove(&Key(15)));
    });
    assert_eq!(iter.next(), None);
    assert_eq!(iter.next(), None);
    assert!(list.insert(Key(30), ()).is_ok());
    assert_eq!(iter.next(), None);
}

type Map = HashMap<Key, (), BuildHasherDefault<Plain>>;

/// Makes the table that a reader stands at lead to one that was made after its lease and is reclaimed; then renews the lease.
fn grow_behind_10(map: &'static Map, collector: &'static Collector, guard: &'static Guard<'_>) {
    on_comparison_with(10, move || {
        elsewhere(collector, || {
            (100..20_000).step_by(10).for_each(|key| assert!(!map.set(Key(key), ())));
        });
        assert_eq!(map.get(&Key(90), guard), Ok(None));
    });
}

fn map_of_10_and_11() -> (&'static Map, &'static Collector, &'static Guard<'static>) {
    let (collector, guard) = hasty();
    let hasher = BuildHasherDefault::default();
    let map = HashMap::with_all(0, hasher, collector.clone(), stillpoint_reclaim::Heap);
    let map: &Map = for_ever(map);
    [10, 11].into_iter().for_each(|key| assert!(!map.set(Key(key), ())));
    (map, collector, guard)
}

#[test]
fn a_map_is_read_while_a_key_renews_the_guard() {
    let (map, collector, guard) = map_of_10_and_11();
    grow_behind_10(map, collector, guard);
    assert_eq!(map.get(&Key(12), guard), Ok(None));
}

#[test]
fn a_map_is_changed_while_a_key_renews_the_guard() {
    let (map, collector, guard) = map_of_10_and_11();
    grow_behind_10(map, collector, guard);
    assert_eq!(map.insert(Key(12), (), guard), Ok(None));
    assert!(map.has(&Key(12)));
}

type Ordered = OrderedMap<Key, u64, Collector, Arena>;

/// The keys that are there but for a while.
fn tens() -> impl Iterator<Item = u64> {
    (0..90).step_by(10)
}

/// Does `step` under the guard; at the first comparison with each of the keys in its turn, every node on the way to it is replaced by others, made
/// after the lease, and those too; all that went is reclaimed, and the lease renewed.
fn while_all_nodes_go(step: fn(&'static Ordered, &'static Guard<'static>)) {
    for at in tens() {
        let (collector, guard) = hasty();
        let map = OrderedMap::with_all(collector.clone(), Arena).with_fanout(3);
        let map: &Ordered = for_ever(map);
        tens().for_each(|key| assert!(!map.set(Key(key), key)));
        on_comparison_with(at, move || {
            elsewhere(collector, || {
                let (put, take) =
                    (|key| _ = map.set(Key(key), key), |key| _ = map.unset(&Key(key)));
                // Leaves are copied, and the nodes above them lead to the copies; then those nodes go, and the copies.
                for key in tens().chain(tens()).chain(tens()) {
                    put(key + 2);
                    take(key);
                    put(key);
                    take(key + 2);
                }
                tens().for_each(take);
                (100..130).for_each(put);
                tens().for_each(put);
                (100..130).for_each(take);
            });
            assert!(map.get(&Key(1), guard).is_ok());
        });
        step(map, guard);
        assert!(HOOK.take().is_none(), "nothing was compared with {at}");
        assert_eq!(
            map.pin().len(),
            map.pin().iter().filter(|(key, value)| key.0 == **value).count()
        );
    }
}

#[test]
fn an_ordered_map_is_read_while_a_key_renews_the_guard() {
    while_all_nodes_go(|map, guard| {
        for key in tens() {
            // It was taken out for a while.
            assert!([Ok(Some(&key)), Ok(None)].contains(&map.get(&Key(key), guard)));
        }
    });
}

#[test]
fn an_ordered_map_is_walked_while_a_key_renews_the_guard() {
    while_all_nodes_go(|map, guard| {
        let forward: Vec<u64> =
            map.range(Key(0)..Key(85), guard).map(|entry| *entry.unwrap().1).collect();
        let backward: Vec<u64> =
            map.range(..=Key(80), guard).rev().map(|entry| *entry.unwrap().1).collect();
        assert!(forward.is_sorted_by(|a, b| a < b) && backward.is_sorted_by(|a, b| a > b));
        assert!(
            forward.iter().chain(&backward).all(|key| key % 10 == 0),
            "{forward:?} {backward:?}"
        );
    });
}

#[test]
fn an_ordered_map_is_changed_while_a_key_renews_the_guard() {
    while_all_nodes_go(|map, guard| {
        for key in tens() {
            assert_eq!(map.insert(Key(key + 1), key + 1, guard), Ok(None));
            let old = map.insert(Key(key), key, guard).unwrap();
            assert!([Some(&key), None].contains(&old));
            assert!(map.remove(&Key(key), guard).unwrap().is_some());
        }
        for key in tens() {
            assert_eq!(map.remove(&Key(key + 1), guard), Ok(Some((&Key(key + 1), &(key + 1)))));
        }
    });
}

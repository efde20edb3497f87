//! The index against a `HashMap` of stacks, one thread, seeded.
#![cfg(not(stillpoint_loom))]

use std::collections::HashMap;
use std::sync::Arc;
use stillpoint_pool::Pool;
use stillpoint_reclaim::{Collector, Guard};
use stillpoint_structures::{
    Batch, Head, NewValue, RefusedReason, Stamp, ValueRef, VersionIndex, VersionRef,
};

type Index = VersionIndex<u64, u64>;

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// What a version should be: value (None = tombstone), kind, expiry.
type Expected = (Option<Vec<u8>>, u8, Option<u64>);

fn key(n: u64) -> Vec<u8> {
    let mut key = n.to_le_bytes().to_vec();
    key.truncate(1 + n as usize % 8);
    key.push(n as u8);
    key.extend(std::iter::repeat_n(b'k', (n * 7 % 40) as usize));
    key.extend_from_slice(&n.to_be_bytes());
    key
}

fn check(index: &Index, model: &Model, key: &[u8]) {
    let guard = index.collector().pin();
    let head = index.find(&guard, index.hash(key), key).unwrap();
    let mut version = head.map(|head| head.version());
    for expected in model.get(key).into_iter().flatten().rev() {
        let found = version.expect("the model has one more version");
        assert_eq!(found.key(), key);
        assert_eq!(found.kind(), expected.1);
        assert_eq!(found.expire_at(), expected.2);
        match (found.value(), &expected.0) {
            (ValueRef::Bytes(bytes), Some(value)) => assert_eq!(bytes, value),
            (ValueRef::Object(object), Some(value)) => {
                assert_eq!(object.to_be_bytes().to_vec(), *value)
            }
            (ValueRef::Tombstone, None) => {}
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
        version = found.older();
    }
    assert!(version.is_none(), "the index has one more version");
}

type Model = HashMap<Vec<u8>, Vec<Expected>>;

/// Prunes a chain, and its model.
fn prune(head: Head<'_, u64, u64>, index: &Index, versions: &mut Vec<Expected>, every: u64) {
    let mut at = 0;
    let pruned = index.prune(head.version(), |_| {
        at += 1;
        at % every != 0
    });
    let before = versions.len();
    let newest = versions.pop().expect("a key has a version");
    let mut at = 0;
    let mut kept: Vec<_> = versions
        .drain(..)
        .rev()
        .filter(|_| {
            at += 1;
            at % every != 0
        })
        .collect();
    kept.reverse();
    kept.push(newest);
    assert_eq!(before - kept.len(), pruned.versions);
    *versions = kept;
}

/// Installs one of the four kinds of value; returns what it should be.
fn put(index: &Index, guard: &Guard<'_>, key: &[u8], step: u64, rng: &mut Rng) -> Expected {
    let hash = index.hash(key);
    let head = index.find(guard, hash, key).unwrap();
    let value = step.to_be_bytes();
    let (new, expected) = match rng.below(4) {
        0 => (NewValue::Object(Arc::new(step)), Some(value.to_vec())),
        1 => (NewValue::Tombstone, None),
        2 => (NewValue::Parts(&[&value[..3], b"", &value[3..]]), Some(value.to_vec())),
        _ => (NewValue::Bytes(&value), Some(value.to_vec())),
    };
    let expire_at = (rng.below(2) == 0).then_some(step);
    let new = index.new_version(key, new, step as u8, expire_at).unwrap();
    assert_eq!(new.key(), key);
    let version = index.install(guard, hash, head.as_ref(), new).unwrap();
    assert_eq!(version.stamp(), Ok(Stamp::Unset));
    assert!(version.try_stamp(step + 2).is_ok());
    assert!(version.try_stamp(step + 3).is_err());
    assert_eq!(version.stamp(), Ok(Stamp::Plain(step + 2)));
    (expected, step as u8, expire_at)
}

fn run(seed: u64, steps: u64, keys: u64) {
    // The pool goes last: what the collector reclaims at its end goes back to it.
    let pool = Pool::new();
    let collector = Collector::new();
    let index = Index::new(collector.clone(), pool.clone());
    let mut model = Model::new();
    let mut rng = Rng(seed);
    for step in 0..steps {
        let key = key(rng.below(keys));
        let guard = collector.pin();
        let head = index.find(&guard, index.hash(&key), &key).unwrap();
        match (rng.below(10), head) {
            (0, head) => {
                let removed = head.is_some_and(|head| index.remove(&head).unwrap().is_some());
                assert_eq!(removed, model.remove(&key).is_some());
            }
            (1, Some(head)) => {
                let versions = model.get_mut(&key).expect("the key is there");
                prune(head, &index, versions, rng.below(3) + 1);
            }
            (1, None) => assert!(!model.contains_key(&key)),
            _ => {
                let expected = put(&index, &guard, &key, step, &mut rng);
                model.entry(key.clone()).or_default().push(expected);
            }
        }
        drop(guard);
        check(&index, &model, &key);
    }
    let mut keys: Vec<_> = model.keys().cloned().collect();
    for key in &keys {
        check(&index, &model, key);
    }
    keys.sort();
    assert_eq!(scanned(&index), keys, "a scan visits every key");
}

/// All keys that a scan visits, sorted.
fn scanned(index: &Index) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    let mut cursor = 0;
    loop {
        let guard = index.collector().pin();
        cursor =
            index.scan(&guard, cursor, |head| seen.push(head.version().key().to_vec())).unwrap();
        if cursor == 0 {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    seen
}

#[test]
fn the_index_does_what_a_map_of_stacks_does() {
    for seed in 1..9 {
        run(seed * 77_777, 8_000, 50 << seed);
    }
}

#[test]
fn keys_of_any_length_are_kept() {
    let index = Index::new(Collector::new(), Pool::new());
    let lengths = [0usize, 1, 7, 8, 65_534, 65_535, 65_536, 1 << 20];
    for len in lengths {
        let guard = index.collector().pin();
        let key = vec![len as u8; len];
        let new =
            index.new_version(&key, NewValue::Object(Arc::new(len as u64)), 3, Some(9)).unwrap();
        index.install(&guard, index.hash(&key), None, new).unwrap();
    }
    for len in lengths {
        let guard = index.collector().pin();
        let key = vec![len as u8; len];
        let version =
            index.find(&guard, index.hash(&key), &key).unwrap().expect("installed").version();
        assert_eq!(version.key(), key);
        assert_eq!(version.expire_at(), Some(9));
        assert!(matches!(version.value(), ValueRef::Object(object) if **object == len as u64));
    }
}

#[test]
fn an_install_on_an_outdated_head_is_refused_and_gives_the_version_back() {
    let index = Index::new(Collector::new(), Pool::new());
    let guard = index.collector().pin();
    let hash = index.hash(b"k");
    let new = |value: &[u8]| index.new_version(b"k", NewValue::Bytes(value), 0, None).unwrap();
    index.install(&guard, hash, None, new(b"1")).unwrap();
    let old = index.find(&guard, hash, b"k").unwrap().unwrap();
    index.install(&guard, hash, Some(&old), new(b"2")).unwrap();
    let refused = index.install(&guard, hash, Some(&old), new(b"3")).unwrap_err();
    assert_eq!(refused.reason, RefusedReason::Raced);
    let refused = index.install(&guard, hash, None, refused.version).unwrap_err();
    assert_eq!(refused.reason, RefusedReason::Raced);
    assert!(index.remove(&old).unwrap().is_none());
    let head = index.find(&guard, hash, b"k").unwrap().unwrap();
    index.install(&guard, hash, Some(&head), refused.version).unwrap();
    let head = index.find(&guard, hash, b"k").unwrap().unwrap();
    assert!(matches!(head.version().value(), ValueRef::Bytes(b"3")));
    assert!(index.remove(&head).unwrap().is_some());
    assert!(index.remove(&head).unwrap().is_none());
    assert!(index.find(&guard, hash, b"k").unwrap().is_none());
}

#[test]
fn a_batch_settles_all_its_stamps_in_every_index() {
    let pool = Pool::new();
    let collector = Collector::new();
    let indexes = [(); 3].map(|()| Index::new(collector.clone(), pool.clone()));
    let guard = collector.pin();
    for (round, plain) in [Some(77), None].into_iter().enumerate() {
        let mut batch = Batch::new(&guard, &pool, 5);
        let mut versions = Vec::new();
        for (at, index) in indexes.iter().enumerate() {
            let hash = index.hash(b"k");
            let head = index.find(&guard, hash, b"k").unwrap();
            let new = index.new_version(b"k", NewValue::Bytes(b"v"), at as u8, None).unwrap();
            let version = batch.install(index, hash, head.as_ref(), new).unwrap();
            assert_eq!(version.stamp(), Ok(Stamp::Pending(&5)));
            assert!(version.try_stamp(9).is_err());
            versions.push(version);
        }
        // One of them is cut out meanwhile; its stamp is settled all the same.
        let head = indexes[1].find(&guard, indexes[1].hash(b"k"), b"k").unwrap().unwrap();
        assert!(indexes[1].remove(&head).unwrap().is_some());
        assert_eq!(batch.len(), 3);
        if round == 0 {
            batch.finish(plain)
        } else {
            drop(batch)
        }
        for version in versions {
            assert_eq!(version.stamp(), Ok(plain.map_or(Stamp::Aborted, Stamp::Plain)));
        }
    }
}

#[test]
#[should_panic(expected = "another collector")]
fn a_guard_of_another_collector_is_refused() {
    let index = Index::new(Collector::new(), Pool::new());
    let other = Collector::new();
    let guard = other.pin();
    let _ = index.find(&guard, 0, b"k");
}

#[test]
#[should_panic(expected = "another collector")]
fn a_head_of_another_collector_is_refused() {
    let [here, there] = [(); 2].map(|()| Index::new(Collector::new(), Pool::new()));
    let (guard, other) = (here.collector().pin(), there.collector().pin());
    let new = || here.new_version(b"k", NewValue::Tombstone, 0, None).unwrap();
    there.install(&other, there.hash(b"k"), None, new()).unwrap();
    let head = there.find(&other, there.hash(b"k"), b"k").unwrap();
    let _ = here.install(&guard, here.hash(b"k"), head.as_ref(), new());
}

/// A head is kept while other operations on the same guard renew its lease, and its chain is cut and retired under it.
#[test]
fn a_kept_head_leads_down_its_chain_whatever_is_renewed_and_pruned_meanwhile() {
    let pool = Pool::new();
    let collector = Collector::builder().lease_ticks(0).batch_len(1).build();
    let index = Index::new(collector.clone(), pool.clone());
    let hash = index.hash(b"k");
    let push = |value: u64| {
        let guard = collector.pin();
        let head = index.find(&guard, hash, b"k").unwrap();
        let new = index.new_version(b"k", NewValue::Object(Arc::new(value)), 0, None).unwrap();
        index.install(&guard, hash, head.as_ref(), new).unwrap();
    };
    let number = |version: VersionRef<'_, u64, u64>| match version.value() {
        ValueRef::Object(object) => **object,
        other => panic!("{other:?}"),
    };
    (0..5).for_each(push);
    let guard = collector.pin();
    let kept = index.find(&guard, hash, b"k").unwrap().expect("installed").version();
    let second = kept.older().expect("five versions");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            (5..40).for_each(push);
            let guard = collector.pin();
            let head = index.find(&guard, hash, b"k").unwrap().expect("installed");
            assert_eq!(index.prune(head.version(), |_| false).versions, 39);
            drop(guard);
            collector.flush();
        });
        writer.join().unwrap();
    });
    assert!(guard.still_valid().is_err(), "the lease ran out");
    let newest = index.find(&guard, hash, b"k").unwrap().expect("installed").version();
    assert!(guard.still_valid().is_ok(), "renewed in place");
    assert_eq!((number(newest), newest.older().is_none()), (39, true));
    assert_eq!(number(kept), 4);
    // The links of what was cut out are final; what they lead to is still held.
    assert_eq!(second.older().map(number), Some(2));
}

#[test]
fn the_index_grows_and_keeps_every_key() {
    let index = Index::new(Collector::new(), Pool::new());
    let count = 200_000u64;
    for n in 0..count {
        let guard = index.collector().pin();
        let key = n.to_le_bytes();
        let new = index.new_version(&key, NewValue::Bytes(&key), 0, None).unwrap();
        index.install(&guard, index.hash(&key), None, new).unwrap();
    }
    assert!(index.stats().bins >= 1 << 15);
    for n in 0..count {
        let guard = index.collector().pin();
        let key = n.to_le_bytes();
        let head = index.find(&guard, index.hash(&key), &key).unwrap().expect("every key is there");
        assert_eq!(head.version().key(), key);
    }
}

//! The index against a `HashMap` of stacks, one thread, seeded.

use std::collections::HashMap;
use std::sync::Arc;
use stillpoint_pool::Pool;
use stillpoint_reclaim::Collector;
use stillpoint_structures::{Batch, NewValue, RefusedReason, Stamp, ValueRef, VersionIndex};

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

fn check(index: &Index, model: &HashMap<Vec<u8>, Vec<Expected>>, key: &[u8]) {
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

fn run(seed: u64, steps: u64, keys: u64) {
    let collector = Collector::new();
    let index = Index::new(collector.clone(), Pool::new());
    let mut model: HashMap<Vec<u8>, Vec<Expected>> = HashMap::new();
    let mut rng = Rng(seed);
    for step in 0..steps {
        let key = key(rng.below(keys));
        let hash = index.hash(&key);
        let guard = collector.pin();
        let head = index.find(&guard, hash, &key).unwrap();
        match rng.below(10) {
            0 => {
                let removed = head.is_some_and(|head| index.remove(&head).unwrap());
                assert_eq!(removed, model.remove(&key).is_some());
            }
            1 => {
                if let Some(head) = head {
                    let every = rng.below(3) + 1;
                    let mut at = 0;
                    let pruned = index.prune(head.version(), |_| {
                        at += 1;
                        at % every != 0
                    });
                    let versions = model.get_mut(&key).expect("the key is there");
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
            }
            _ => {
                let value = step.to_be_bytes();
                let (new, expected) = match rng.below(4) {
                    0 => (NewValue::Object(Arc::new(step)), Some(value.to_vec())),
                    1 => (NewValue::Tombstone, None),
                    2 => (NewValue::Parts(&[&value[..3], b"", &value[3..]]), Some(value.to_vec())),
                    _ => (NewValue::Bytes(&value), Some(value.to_vec())),
                };
                let expire_at = (rng.below(2) == 0).then_some(step);
                let new = index.new_version(&key, new, step as u8, expire_at).unwrap();
                assert_eq!(new.key(), key);
                let version = index.install(&guard, hash, head.as_ref(), new).unwrap();
                assert_eq!(version.stamp(), Ok(Stamp::Unset));
                assert!(version.try_stamp(step + 2).is_ok());
                assert!(version.try_stamp(step + 3).is_err());
                assert_eq!(version.stamp(), Ok(Stamp::Plain(step + 2)));
                model.entry(key.clone()).or_default().push((expected, step as u8, expire_at));
            }
        }
        drop(guard);
        check(&index, &model, &key);
    }
    let mut keys: Vec<_> = model.keys().cloned().collect();
    for key in &keys {
        check(&index, &model, key);
    }
    let mut seen = Vec::new();
    let mut cursor = 0;
    loop {
        let guard = collector.pin();
        cursor =
            index.scan(&guard, cursor, |head| seen.push(head.version().key().to_vec())).unwrap();
        if cursor == 0 {
            break;
        }
    }
    keys.sort();
    seen.sort();
    seen.dedup();
    assert_eq!(seen, keys, "a scan visits every key");
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
    assert!(!index.remove(&old).unwrap());
    let head = index.find(&guard, hash, b"k").unwrap().unwrap();
    index.install(&guard, hash, Some(&head), refused.version).unwrap();
    let head = index.find(&guard, hash, b"k").unwrap().unwrap();
    assert!(matches!(head.version().value(), ValueRef::Bytes(b"3")));
    assert!(index.remove(&head).unwrap());
    assert!(!index.remove(&head).unwrap());
    assert!(index.find(&guard, hash, b"k").unwrap().is_none());
}

#[test]
fn a_batch_settles_all_its_stamps_in_every_index() {
    let collector = Collector::new();
    let pool = Pool::new();
    let indexes = [(); 3].map(|()| Index::new(collector.clone(), pool.clone()));
    let guard = collector.pin();
    for (round, plain) in [Some(77), None].into_iter().enumerate() {
        let mut batch = Batch::new(&guard, 5);
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
        assert!(indexes[1].remove(&head).unwrap());
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

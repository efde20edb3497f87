//! The usage that a version carries beside its link, and the bytes of its object.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use std::sync::Arc;
use stillpoint_pool::Pool;
use stillpoint_reclaim::{Collector, Guard};
use stillpoint_structures::{NewValue, VersionIndex, VersionRef};

type Index = VersionIndex<Vec<u8>, ()>;

fn index() -> Index {
    Index::new(Collector::new(), Pool::new()).with_object_bytes(Vec::len)
}

fn put<'g>(
    index: &'g Index,
    guard: &'g Guard<'g>,
    value: NewValue<'_, Vec<u8>>,
    usage: u16,
) -> VersionRef<'g, Vec<u8>, ()> {
    let hash = index.hash(b"key");
    let head = index.find(guard, hash, b"key").unwrap();
    let mut new = index.new_version(b"key", value, 0, None).unwrap();
    new.set_usage(usage);
    index.install(guard, hash, head.as_ref(), new).unwrap()
}

#[test]
fn usage_stays_with_its_version_whatever_becomes_of_the_chain() {
    let index = index();
    let guard = index.collector().pin();
    let oldest = put(&index, &guard, NewValue::Bytes(b"1"), 0);
    let older = put(&index, &guard, NewValue::Bytes(b"2"), u16::MAX);
    let newest = put(&index, &guard, NewValue::Bytes(b"3"), 0xabcd);
    assert_eq!([oldest.usage(), older.usage(), newest.usage()], [0, u16::MAX, 0xabcd]);
    assert!(newest.older() == Some(older) && older.older() == Some(oldest));
    newest.set_usage(0x8001);
    oldest.set_usage(5);
    assert!(newest.older() == Some(older) && oldest.older().is_none());
    let pruned = index.prune(newest, |version| version == oldest);
    assert_eq!(pruned.versions, 1);
    assert!(newest.older() == Some(oldest));
    assert_eq!([newest.usage(), oldest.usage()], [0x8001, 5]);
    older.set_usage(3);
    assert_eq!(older.usage(), u16::MAX, "what is cut out does not change any more");
}

#[test]
fn objects_tell_their_bytes_when_a_version_is_made() {
    let index = index();
    let guard = index.collector().pin();
    let bytes = put(&index, &guard, NewValue::Bytes(&[0; 100]), 0);
    assert_eq!(bytes.object_bytes(), 0);
    let small = put(&index, &guard, NewValue::Object(Arc::new(vec![0; 1])), 0);
    let large = put(&index, &guard, NewValue::Object(Arc::new(vec![0; 100_001])), 0);
    assert_eq!([small.object_bytes(), large.object_bytes()], [8, 100_008]);
    assert_eq!(large.bytes(), small.bytes(), "the block holds a reference only");
    assert_eq!(index.prune(large, |_| false).object_bytes, 8);
}

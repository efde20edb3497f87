//! Both forms against each other, and against corrupt bytes.

use super::*;

const MOST: usize = 3000;

#[test]
fn sparse_and_dense_registers_agree() {
    let (mut sparse, mut dense) = (HyperLogLog::new(), HyperLogLog::new());
    dense.make_dense().unwrap();
    for i in 0..20_000u32 {
        let element = i.to_string();
        let changed = dense.add(element.as_bytes(), MOST).unwrap();
        assert_eq!(sparse.add(element.as_bytes(), MOST).unwrap(), changed);
        if i % 500 == 0 || i == 1000 {
            assert_eq!(sparse.registers(), dense.registers());
            let (count, truth) = (dense.count().unwrap() as f64, f64::from(i + 1));
            assert!((count - truth).abs() <= 1.0 + truth * 0.03, "{count} of {truth}");
        }
    }
    assert!(sparse.is_dense());
}

#[test]
fn what_is_corrupt_is_told_and_never_panics() {
    let mut random = fastrand::Rng::with_seed(9);
    for _ in 0..3000 {
        let mut hll = HyperLogLog::new();
        for i in 0..random.u32(0..300) {
            hll.add(&i.to_le_bytes(), MOST).unwrap();
        }
        let mut bytes = hll.bytes().to_vec();
        let at = random.usize(HEADER_BYTES..bytes.len());
        bytes[at] = random.u8(..);
        if random.bool() {
            bytes.truncate(random.usize(HEADER_BYTES..=bytes.len()));
        }
        let mut hll = HyperLogLog::of(&bytes).unwrap();
        let _estimate = hll.count();
        for i in 0..50u32 {
            let _changed = hll.add(&i.to_be_bytes(), MOST);
        }
        let _dense = hll.make_dense();
    }
    assert_eq!(HyperLogLog::of(b"HYLL").unwrap_err(), HllError::NotOne);
}

#[test]
fn the_cached_count_is_kept_until_it_is_out_of_date() {
    let mut hll = HyperLogLog::new();
    assert_eq!(hll.cached(), Some(0));
    hll.invalidate();
    assert_eq!(hll.cached(), None);
    hll.set_cached(77);
    assert_eq!(hll.cached(), Some(77));
}

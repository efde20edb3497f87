//! Carving against trimming; under loom in every interleaving.

use super::*;

fn slab() -> NonNull<Slab> {
    NonNull::new(std::ptr::without_provenance_mut(3 * SLAB_BYTES)).unwrap()
}

#[test]
#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
fn blocks_are_carved_once_until_the_slab_is_used_up() {
    let carving = Carving::new();
    assert_eq!(carving.take(4, 10), None);
    assert!(carving.put(slab(), 10) && !carving.put(slab(), 10));
    let taken: Vec<_> = std::iter::from_fn(|| carving.take(4, 10)).collect();
    assert_eq!(taken, [(slab(), 0..4), (slab(), 4..8), (slab(), 8..10)]);
    assert_eq!(carving.current(), Some((slab(), 10)));
    assert!(!carving.withdraw(slab(), 8) && carving.withdraw(slab(), 10));
    assert_eq!(carving.current(), None);
}

#[test]
#[cfg(stillpoint_loom)]
fn a_slab_is_withdrawn_or_carved_never_both() {
    loom::model(|| {
        let carving = std::sync::Arc::new(Carving::new());
        assert!(carving.put(slab(), 4));
        let other = carving.clone();
        let carver = loom::thread::spawn(move || other.take(2, 4));
        let ours = carving.take(2, 4);
        let all_in_hand = ours == Some((slab(), 0..2));
        let withdrawn = all_in_hand && carving.withdraw(slab(), 2);
        let theirs = carver.join().unwrap();
        assert!(theirs.is_none() || !withdrawn, "blocks of a slab that is nobody's: {theirs:?}");
        assert!(theirs.is_none() || theirs != ours, "blocks carved twice");
    });
}

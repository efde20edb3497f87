//! The depot alone; under loom, with and without its tag.

use super::*;
use std::ptr::NonNull;

#[test]
#[cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]
fn full_magazines_come_back_with_their_blocks() {
    let depot = Depot::new(2, Mutation::None);
    assert!(depot.take_full().is_none());
    let mut magazine = depot.take_empty().expect("memory for a magazine");
    magazine.push(NonNull::<u64>::dangling().cast());
    depot.give(magazine);
    let again = depot.take_full().expect("given just now");
    assert_eq!(again.blocks(), [NonNull::<u64>::dangling().cast()]);
}

#[cfg(stillpoint_loom)]
fn aba(mutation: Mutation) {
    loom::model(move || {
        let depot = std::sync::Arc::new(Depot::new(1, mutation));
        for _ in 0..2 {
            let mut magazine = depot.make().expect("memory for a magazine");
            magazine.push(NonNull::<u64>::dangling().cast());
            depot.give(magazine);
        }
        let other = depot.clone();
        // One thread pops one magazine; the other pops both and gives the first back.
        let thread = loom::thread::spawn(move || other.take_full().map(|m| m.id()));
        let (first, second) = (depot.take_full(), depot.take_full());
        let kept = second.as_ref().map(|m| m.id());
        if let Some(first) = first {
            depot.give(first);
        }
        let theirs = thread.join().unwrap();
        assert!(theirs.is_none() || theirs != kept, "one magazine, two owners");
        let last = depot.take_full().map(|m| m.id());
        assert!(last.is_none() || (last != kept && last != theirs), "one magazine, two owners");
    });
}

#[test]
#[cfg(stillpoint_loom)]
fn no_magazine_has_two_owners() {
    aba(Mutation::None);
}

#[test]
#[cfg(stillpoint_loom)]
#[should_panic]
fn without_the_tag_a_magazine_gets_two_owners() {
    aba(Mutation::NoTag);
}

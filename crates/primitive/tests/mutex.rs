//! The lock excludes: `std`'s, and without the feature `std` the one that stands for it.
#![cfg(not(any(stillpoint_loom, stillpoint_shuttle)))]

use stillpoint_primitive::sync::Mutex;

#[test]
fn increments_under_the_lock_are_not_lost() {
    const EACH: u64 = 50_000;
    let sum = Mutex::new([0u64; 8]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let mut held = sum.lock().unwrap_or_else(|refused| refused.into_inner());
                    // Several words, so that two holders would see each other.
                    let next = held[0] + 1;
                    held.iter_mut().for_each(|word| *word = next);
                }
            });
        }
    });
    let held = sum.lock().unwrap_or_else(|refused| refused.into_inner());
    assert_eq!(*held, [4 * EACH; 8]);
}

//! A walk over a snapshot meets each key of the cut exactly once, whatever others do to the index meanwhile.
#![cfg(not(stillpoint_loom))]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use stillpoint_store::{At, Config, Store};

const AT: At = At { space: 0, now_ms: 1 };
const KEYS: u64 = 3_000;

#[test]
fn a_walk_meets_each_key_once_while_the_index_grows_and_keys_come_and_go() {
    let store = Store::<()>::new(Config::default());
    let set = |number: u64| store.set(AT, &number.to_be_bytes(), 0, b"v", None).unwrap();
    (0..KEYS).for_each(set);
    let snapshot = store.snapshot(1);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Others' keys make the index grow; keys of the cut are removed and set again.
            for number in KEYS..400_000 {
                set(number);
                if number % 16 == 0 {
                    let mine = number % KEYS;
                    store.remove(AT, &mine.to_be_bytes()).unwrap();
                    set(mine);
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        let bins = || store.stats().index_bytes;
        let (mut walks, mut grown) = (0, 0);
        while !stop.load(Ordering::Relaxed) {
            let before = bins();
            let mut met = vec![0u8; KEYS as usize];
            let mut cursor = 0;
            loop {
                let visit = |entry: stillpoint_store::Entry<'_, ()>| {
                    let number = u64::from_be_bytes(entry.key().try_into().unwrap());
                    met[number as usize] += 1;
                };
                cursor = snapshot.scan(0, cursor, 8, visit).unwrap();
                if cursor == 0 {
                    break;
                }
            }
            assert!(met.iter().all(|times| *times == 1), "walk {walks}");
            walks += 1;
            grown += u32::from(bins() != before);
        }
        assert!(walks > 0 && grown > 0, "{walks} walks, the index grew in {grown} of them");
    });
}

//! A feature store: the features of an entity are written together, so that a model never scores a row that is half old, half new.

use std::thread;
use stillpoint::{Stop, open_db};

const USERS: u64 = 100;
const NAMES: [&str; 3] = ["clicks_1h", "clicks_24h", "version"];

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let features = open_db::<(u64, String), f64>(); // (user, feature) to value
    let publish = |user: u64, version: f64| {
        features.transaction(|tx| {
            for (at, name) in NAMES.iter().enumerate() {
                tx.insert(&(user, name.to_string()), version * (at + 1) as f64);
            }
            Ok::<_, Stop>(())
        })
    };
    (0..USERS).try_for_each(|user| publish(user, 0.0))?;
    let (mut rows, mut versions) = (0, 0.0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for version in 1..50 {
                (0..USERS).for_each(|user| publish(user, f64::from(version)).expect("memory"));
            }
        });
        for _ in 0..50 {
            // The whole training set at one moment, row by row in order; no writer waits.
            let cut = features.snapshot();
            for user in 0..USERS {
                let row = NAMES.map(|name| cut.get(&(user, name.to_string())));
                let row = row.map(|value| value.ok().flatten().map_or(-1.0, |value| *value));
                assert_eq!((row[1], row[2]), (row[0] * 2.0, row[0] * 3.0), "a torn row");
                (rows, versions) = (rows + 1, versions + row[0]);
            }
        }
    });
    println!("{rows} rows, none torn, of version {:.1} on average", versions / f64::from(rows));
    Ok(())
}

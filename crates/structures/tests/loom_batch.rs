//! A batch that ends while a reader looks at one of its stamps, under all interleavings. The descriptor writes a cell when it is dropped, and
//! readers read it, so a descriptor that is reclaimed under a reader is a race for the model.
//!
//! | left out | refused by |
//! |---|---|
//! | the order of stamps and retirement | `with_the_descriptor_retired_before_its_stamps_a_reader_loses_it` |
#![cfg(stillpoint_loom)]

mod model_check;

use loom::sync::Arc;
use loom::thread;
use model_check::{Alive, check, must_fail, quiet};
use std::sync::atomic::{AtomicU64, Ordering};
use stillpoint_pool::Pool;
use stillpoint_reclaim::Collector;
use stillpoint_structures::{Batch, Mutation, NewValue, Stamp, VersionIndex};

struct Descriptor(Alive);

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.0.end();
    }
}

type Index = VersionIndex<(), Descriptor>;

/// A batch installs and ends while a reader takes stamps. Returns what the reader saw, as bits.
fn batch_against_reader(mutation: Mutation, plain: Option<u64>) -> u64 {
    let index = quiet(|| {
        let collector = Collector::builder().lease_ticks(0).batch_len(1).build();
        Arc::new(Index::weakened(collector, Pool::new(), mutation))
    });
    let cell = Alive::new();
    let reader = {
        let (index, cell) = (index.clone(), cell.clone());
        thread::spawn(move || {
            // The pin is part of this model: a guard later than the batch's is not covered by it.
            let guard = index.collector().pin();
            let head = index.find(&guard, index.hash(b"k"), b"k").unwrap();
            head.map_or(1, |head| match head.version().stamp().unwrap() {
                Stamp::Unset => panic!("a batch leaves nothing unset"),
                Stamp::Pending(_) => {
                    // The reader looks at the descriptor: not itself, which a weakened protocol has freed, but its cell.
                    cell.test();
                    2
                }
                Stamp::Aborted if plain.is_none() => 4,
                Stamp::Plain(stamp) if plain == Some(stamp) => 4,
                _ => panic!("another stamp than the batch gave"),
            })
        })
    };
    let guard = quiet(|| index.collector().pin());
    // The tick that a birth brings is part of this model, the pool's allocation is not.
    guard.birth();
    let mut batch = quiet(|| Batch::new(&guard, index.pool(), Descriptor(cell)));
    let new = quiet(|| index.new_version(b"k", NewValue::Tombstone, 0, None).unwrap());
    assert!(batch.install(&index, index.hash(b"k"), None, new).is_ok());
    match plain {
        Some(plain) => batch.finish(Some(plain)),
        None => drop(batch),
    }
    drop(guard);
    index.collector().flush();
    let reclaimed = index.collector().stats().unreclaimed == 0;
    let seen = reader.join().unwrap();
    quiet(|| drop(index));
    seen | u64::from(reclaimed) << 3
}

#[test]
fn a_pending_stamp_leads_to_a_live_descriptor() {
    for plain in [Some(5), None] {
        let met = std::sync::Arc::new(AtomicU64::new(0));
        let seen = met.clone();
        check(2, move || {
            seen.fetch_or(batch_against_reader(Mutation::None, plain), Ordering::Relaxed);
        });
        let met = met.load(Ordering::Relaxed);
        assert_eq!(met, 15, "absent, pending and decided are seen, the descriptor is reclaimed");
    }
}

#[test]
fn with_the_descriptor_retired_before_its_stamps_a_reader_loses_it() {
    let model = || {
        batch_against_reader(Mutation::RetireBeforeSettling, None);
    };
    let name = "with_the_descriptor_retired_before_its_stamps_a_reader_loses_it";
    must_fail(name, 2, "Causality violation", model);
}

//! Four threads that allocate, free what others allocated, and trim, under random schedules: through shelves, depot, carving and slabs. Of a
//! class with two blocks a magazine and two a slab, so that every third call reaches the depot or a fresh slab.
//!
//! ```text
//! RUSTFLAGS="--cfg stillpoint_shuttle" CARGO_TARGET_DIR=target/shuttle cargo test -p stillpoint-pool --lib
//! ```

use super::*;
use crate::index_stack::Mutation;
use shuttle::thread;
use std::collections::HashSet;
use std::process::Command;
use std::sync::Mutex;

/// As many as fit into some seconds.
const SCHEDULES: usize = 100;
const EACH: usize = 12;
const BYTES: usize = 31_000;

#[derive(Default)]
struct World {
    /// Blocks in use, as the threads know it.
    used: Mutex<HashSet<usize>>,
    /// Blocks on their way to whoever frees them.
    passed: Mutex<Vec<usize>>,
}

impl World {
    fn alloc(&self, pool: &Pool) {
        let block = pool.alloc(BYTES).unwrap().as_ptr().expose_provenance();
        assert!(self.used.lock().unwrap().insert(block), "one block, two owners");
        self.passed.lock().unwrap().push(block);
    }

    fn free(&self, pool: &Pool, sized: bool) {
        let Some(block) = self.passed.lock().unwrap().pop() else { return };
        assert!(self.used.lock().unwrap().remove(&block), "freed twice");
        let block = NonNull::new(std::ptr::with_exposed_provenance_mut(block)).unwrap();
        if sized {
            // SAFETY: allocated by `alloc` from this pool, taken from the list once.
            unsafe { pool.free_sized(block, BYTES) };
        } else {
            // SAFETY: as above.
            unsafe { Pool::free(block) };
        }
    }
}

fn act(role: usize, step: usize, pool: &Pool, world: &World) {
    match role {
        0 if step % 4 == 3 => drop(pool.trim()),
        1 => world.alloc(pool),
        2 if step.is_multiple_of(2) => world.alloc(pool),
        _ => world.free(pool, role == 2),
    }
}

fn play(mutation: Mutation) {
    let pool = Pool::of(Core::with_mutation(PoolConfig::default(), mutation));
    let world = Arc::new(World::default());
    // Magazines for the threads to exchange, and to trim.
    (0..8).for_each(|_| world.alloc(&pool));
    (0..8).for_each(|_| world.free(&pool, true));
    let threads: Vec<_> = (0..4)
        .map(|role| {
            let (pool, world) = (pool.clone(), world.clone());
            thread::spawn(move || (0..EACH).for_each(|step| act(role, step, &pool, &world)))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let left = world.used.lock().unwrap().len();
    assert_eq!(pool.stats().blocks as usize, left);
    // The last block ends the pool.
    let blocks = std::mem::take(&mut *world.passed.lock().unwrap());
    assert_eq!(blocks.len(), left);
    drop(pool);
    for block in blocks {
        let block = NonNull::new(std::ptr::with_exposed_provenance_mut(block)).unwrap();
        // SAFETY: allocated by `alloc`, taken from the list once.
        unsafe { Pool::free(block) };
    }
}

#[test]
fn no_block_has_two_owners_and_none_is_lost() {
    shuttle::check_random(|| play(Mutation::None), SCHEDULES);
    shuttle::check_pct(|| play(Mutation::None), SCHEDULES, 3);
}

/// One thread begins to take a magazine from the depot; the other takes two, and gives the first back.
fn duel(mutation: Mutation) {
    let pool = Pool::of(Core::with_mutation(PoolConfig::default(), mutation));
    let world = Arc::new(World::default());
    (0..11).for_each(|_| world.alloc(&pool));
    (0..10).for_each(|_| world.free(&pool, false));
    // All of them to the depot.
    pool.core().clear_own_shelves();
    let (other_pool, other_world) = (pool.clone(), world.clone());
    let other = thread::spawn(move || {
        (0..4).for_each(|_| other_world.alloc(&other_pool));
    });
    (0..4).for_each(|_| world.alloc(&pool));
    (0..5).for_each(|_| world.free(&pool, false));
    (0..3).for_each(|_| world.alloc(&pool));
    other.join().unwrap();
    let left = world.passed.lock().unwrap().len();
    assert_eq!(left, 7);
    (0..left).for_each(|_| world.free(&pool, true));
}

#[test]
fn a_magazine_taken_and_given_back_meanwhile_has_one_owner() {
    shuttle::check_pct(|| duel(Mutation::None), 5 * SCHEDULES, 2);
}

/// Must fail; in a process of its own, since it may abort.
#[test]
fn without_the_tag_a_block_has_two_owners() {
    const INNER: &str = "STILLPOINT_MUST_FAIL";
    if std::env::var_os(INNER).is_some() {
        return shuttle::check_pct(|| duel(Mutation::NoTag), 60 * SCHEDULES, 2);
    }
    let mut inner = Command::new(std::env::current_exe().unwrap());
    let name = "pool::tests::without_the_tag_a_block_has_two_owners";
    let output = inner.args([name, "--exact", "--nocapture"]).env(INNER, "1").output().unwrap();
    assert!(!output.status.success(), "the play does not notice what has been taken out");
    let said = String::from_utf8_lossy(&output.stderr);
    // Or the other owner emptied the magazine before.
    let expected = ["one block, two owners", "AllocError"];
    assert!(expected.iter().any(|reason| said.contains(reason)), "another reason: {said}");
}

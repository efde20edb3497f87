//! Blocks that come and go: at once, in batches, and from thread to thread.

use super::subject::Subject;
use crate::crew::Crew;
use crate::plan::Figure;
use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use stillpoint_testkit::thread_cpu;

const BATCH: usize = 256;

fn touched<S: Subject>(subject: &S) -> NonNull<u8> {
    let block = subject.alloc();
    // SAFETY: ours, and not empty.
    unsafe { block.write(7) };
    block
}

/// Calls `work`, which handles `blocks` blocks, for so long.
fn time(millis: u64, blocks: usize, mut work: impl FnMut()) -> Vec<Figure> {
    work();
    let until = Instant::now() + Duration::from_millis(millis);
    let before = thread_cpu();
    let mut count = 0usize;
    while Instant::now() < until {
        (0..16).for_each(|_| work());
        count += 16 * blocks;
    }
    let spent = (thread_cpu() - before).as_nanos() as f64;
    vec![Figure::new("ns_per_block", "ns", spent / count.max(1) as f64)]
}

pub(crate) fn alloc_free<S: Subject>(subject: &S, millis: u64) -> Vec<Figure> {
    time(millis, BATCH, || {
        for _ in 0..BATCH {
            let block = black_box(touched(subject));
            // SAFETY: allocated just now, freed once.
            unsafe { subject.free(block) };
        }
    })
}

pub(crate) fn batch<S: Subject>(subject: &S, millis: u64) -> Vec<Figure> {
    let mut blocks = Vec::with_capacity(BATCH);
    time(millis, BATCH, || {
        blocks.extend((0..BATCH).map(|_| touched(subject)));
        // SAFETY: allocated just now, freed once.
        unsafe { subject.free_many(black_box(&blocks)) };
        blocks.clear();
    })
}

/// A batch on its way, or an empty one on its way back.
struct Batch(Vec<NonNull<u8>>);
// SAFETY: blocks may change threads.
unsafe impl Send for Batch {}

/// What one side of the exchange has: where batches come from and go to.
type Side = (Receiver<Batch>, SyncSender<Batch>);

pub(crate) fn remote<S: Subject>(subject: &S, millis: u64) -> Vec<Figure> {
    let (full_in, full_out) = sync_channel(64);
    let (empty_in, empty_out) = sync_channel(64);
    for _ in 0..32 {
        let empty = Batch(Vec::with_capacity(BATCH));
        assert!(empty_in.send(empty).is_ok(), "the other end is here");
    }
    let sides: [Mutex<Option<Side>>; 2] =
        [(empty_out, full_in), (full_out, empty_in)].map(|side| Mutex::new(Some(side)));
    let crew = Crew::work(2, millis, |thread, gate| {
        let side = sides[thread as usize].lock().ok().and_then(|mut side| side.take());
        let (from, to) = side.expect("each side is taken once");
        gate.start();
        let mut blocks = 0u64;
        while let Ok(Batch(mut batch)) = from.recv() {
            if thread == 0 {
                if !gate.open() {
                    break;
                }
                batch.extend((0..BATCH).map(|_| touched(subject)));
                blocks += BATCH as u64;
            } else {
                // SAFETY: allocated by the other side, freed once.
                unsafe { subject.free_many(&batch) };
                batch.clear();
            }
            // Fails at the end only, with an empty batch: full ones are waited for.
            if to.send(Batch(batch)).is_err() && thread == 0 {
                break;
            }
        }
        blocks
    });
    let blocks: u64 = crew.results.iter().sum();
    let per_block = crew.cpu.as_nanos() as f64 / blocks.max(1) as f64;
    vec![Figure::new("ns_per_block", "ns", per_block)]
}

//! Queues and channels: first in, first out.

use crate::Outcome;
use crate::crew::contend;
use crate::plan::Figure;
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use stillpoint_structures::{ArrayQueue, Queue, SegmentQueue, channel};

/// Places of the bounded ones: more than there are threads, each of which has one value in the queue at the most.
const PLACES: usize = 1024;

type Push<'a> = &'a (dyn Fn(u64) + Sync);
type Pop<'a> = &'a (dyn Fn() -> Option<u64> + Sync);

/// A push and a pop by turns.
fn in_turn(threads: u64, millis: u64, push: Push<'_>, pop: Pop<'_>) -> Vec<Figure> {
    contend(threads, millis, |thread| {
        let mut full = false;
        move || {
            full = !full;
            if full {
                push(thread);
            } else {
                black_box(pop());
            }
        }
    })
}

pub(super) fn sample_channel(subject: &str, threads: u64, millis: u64) -> Outcome<Vec<Figure>> {
    macro_rules! figures {
        ($channel:expr) => {{
            let (sender, receiver) = $channel;
            let send = |value| sender.send(value).unwrap_or(());
            Ok(in_turn(threads, millis, &send, &|| receiver.try_recv().ok()))
        }};
    }
    match subject {
        "stillpoint-unbounded" => figures!(channel::unbounded()),
        "stillpoint-bounded" => figures!(channel::bounded(PLACES)),
        "crossbeam-unbounded" => figures!(crossbeam_channel::unbounded()),
        "crossbeam-bounded" => figures!(crossbeam_channel::bounded(PLACES)),
        other => Err(format!("there is no channel {other:?}")),
    }
}

pub(super) fn sample(subject: &str, threads: u64, millis: u64) -> Outcome<Vec<Figure>> {
    let locked = Mutex::new(VecDeque::new());
    let locked = || locked.lock().unwrap_or_else(PoisonError::into_inner);
    let (linked, segments, array) = (Queue::new(), SegmentQueue::new(), ArrayQueue::new(PLACES));
    let (their_segments, their_array) =
        (crossbeam_queue::SegQueue::new(), crossbeam_queue::ArrayQueue::new(PLACES));
    let figures = |push: Push<'_>, pop: Pop<'_>| in_turn(threads, millis, push, pop);
    match subject {
        "stillpoint-queue" => Ok(figures(&|value| linked.push(value), &|| linked.pop())),
        "stillpoint-segment-queue" => {
            Ok(figures(&|value| segments.push(value), &|| segments.pop()))
        }
        "stillpoint-array-queue" => {
            Ok(figures(&|value| array.push(value).unwrap_or(()), &|| array.pop()))
        }
        "crossbeam-segqueue" => {
            Ok(figures(&|value| their_segments.push(value), &|| their_segments.pop()))
        }
        "crossbeam-arrayqueue" => {
            Ok(figures(&|value| their_array.push(value).unwrap_or(()), &|| their_array.pop()))
        }
        "mutex-vecdeque" => {
            Ok(figures(&|value| locked().push_back(value), &|| locked().pop_front()))
        }
        other => Err(format!("there is no queue {other:?}")),
    }
}

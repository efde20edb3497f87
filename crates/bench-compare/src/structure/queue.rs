//! Queues: first in, first out.

use super::contend;
use crate::Outcome;
use crate::plan::Figure;
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use stillpoint_structures::{ArrayQueue, Queue, SegmentQueue};

/// Places of the bounded ones: more than there are threads, each of which has one value in the queue at the most.
const PLACES: usize = 1024;

pub(super) fn sample(subject: &str, threads: u64, millis: u64) -> Outcome<Vec<Figure>> {
    let locked = Mutex::new(VecDeque::new());
    let locked = || locked.lock().unwrap_or_else(PoisonError::into_inner);
    let (linked, segments, array) = (Queue::new(), SegmentQueue::new(), ArrayQueue::new(PLACES));
    let (their_segments, their_array) =
        (crossbeam_queue::SegQueue::new(), crossbeam_queue::ArrayQueue::new(PLACES));
    let figures = |push: &(dyn Fn(u64) + Sync), pop: &(dyn Fn() -> Option<u64> + Sync)| {
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
    };
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

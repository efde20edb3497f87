//! How the loom tests run their models.
//!
//! loom takes note of the last access to a word only: a thread that loads a word and then stores to it hides that another had loaded it
//! before, and the order store, load is never tried. So readers run in spawned threads, after the writers in the first execution; then each
//! of their loads comes after a store, which loom does try the other way round.

#![allow(dead_code, reason = "not every test file uses all of it")]

#[path = "../must_fail/mod.rs"]
mod must_fail;

use loom::cell::UnsafeCell;
use std::sync::Arc;

/// Runs `model` in every interleaving with up to `preemptions` preemptions (more with `LOOM_MAX_PREEMPTIONS`).
pub(crate) fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.max(Some(preemptions));
    builder.max_branches = 100_000;
    builder.check(model);
}

/// The weakened `model` must fail, saying `reason`; see [`must_fail`](must_fail::must_fail) for `name`.
pub(crate) fn must_fail(
    name: &str,
    preemptions: usize,
    reason: &str,
    model: impl Fn() + Send + Sync + 'static,
) {
    must_fail::must_fail(name, &[reason], || check(preemptions, model));
}

/// Runs `step` without switching threads within it: for what is no part of the protocol under check.
pub(crate) fn quiet<R>(step: impl FnOnce() -> R) -> R {
    loom::stop_exploring();
    let result = step();
    loom::explore();
    result
}

/// Whether something is alive. Each test of it is a race, for the model, with an end that is not ordered after it.
#[derive(Clone)]
pub(crate) struct Alive(Arc<UnsafeCell<bool>>);

// SAFETY: its unsynchronised use is what the models are to find.
unsafe impl Send for Alive {}
// SAFETY: as above.
unsafe impl Sync for Alive {}

impl Alive {
    pub(crate) fn new() -> Self {
        Alive(Arc::new(UnsafeCell::new(true)))
    }

    pub(crate) fn test(&self) {
        // SAFETY: the model reports it if the end may come at the same time.
        assert!(self.0.with(|alive| unsafe { *alive }), "was reclaimed under a reader");
    }

    pub(crate) fn end(&self) {
        // SAFETY: the model reports it if a reader may be at it.
        self.0.with_mut(|alive| unsafe { *alive = false });
    }
}

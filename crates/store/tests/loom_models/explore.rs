//! Runs a model of the real store under all interleavings, and its weakened twins, which must have a fault.

use loom::sync::Arc;
use loom::thread;
use std::process::Command;
use std::time::Duration;
use stillpoint_store::{Config, Mutation, Store};

/// Words of stack for making a store: its parts are large in a model.
const MAKERS_STACK: usize = 0x8000;

/// A store with a step of the protocol left out.
pub(crate) fn made(config: Config, mutation: Mutation) -> Arc<Store> {
    let make = move || Store::weakened(config, mutation);
    let maker = thread::Builder::new().stack_size(MAKERS_STACK).spawn(make);
    Arc::new(maker.unwrap().join().unwrap())
}

/// How long a model that finds nothing is explored: the smaller ones end before.
const LONGEST: Duration = Duration::from_secs(25);

/// Runs the model under all interleavings, or as many as there is time for, until one has a fault.
pub(crate) fn explore(model: fn(Mutation) -> Outcome, mutation: Mutation) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.max_branches = 100_000;
    builder.max_duration = Some(LONGEST);
    builder.check(move || {
        if let Err(fault) = model(mutation) {
            panic!("noticed: {fault}");
        }
    });
}

pub(crate) type Outcome = Result<(), &'static str>;

pub(crate) fn must(holds: bool, otherwise: &'static str) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// The model must have a fault. It runs in a process of its own: a model that is given up takes its thread's exit hooks with it, which abort.
pub(crate) fn must_fail(test: &str, model: fn(Mutation) -> Outcome, mutation: Mutation) {
    const INNER: &str = "STILLPOINT_MUST_FAIL";
    if std::env::var_os(INNER).is_some() {
        return explore(model, mutation);
    }
    let mut inner = Command::new(std::env::current_exe().unwrap());
    let output = inner.args([test, "--exact", "--nocapture"]).env(INNER, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{mutation:?} was not noticed");
    assert!(said.contains("noticed: "), "it fails for another reason: {said}");
}

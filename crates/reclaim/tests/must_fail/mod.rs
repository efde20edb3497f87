//! Models that pass, and models that the checker must refuse; and a node that notices being used after its end.

#![allow(dead_code, reason = "not every test file uses all of it")]

use loom::cell::UnsafeCell;
use std::process::Command;

/// No node.
pub(crate) const NIL: usize = 9;

const ALIVE: u32 = 7;

/// Memory of a node: freeing writes it, so whoever may still read it races, and whoever reads it later finds it dead.
pub(crate) struct Memory(UnsafeCell<u32>);

// SAFETY: that it is shared without order is what the models are about; they report it.
unsafe impl Sync for Memory {}
// SAFETY: as above.
unsafe impl Send for Memory {}

impl Memory {
    /// Allocated.
    pub(crate) fn new() -> Self {
        Memory(UnsafeCell::new(ALIVE))
    }

    /// Uses the node.
    pub(crate) fn read(&self) {
        // SAFETY: the model reports it if the node may be freed meanwhile.
        self.0.with(|value| assert_eq!(unsafe { *value }, ALIVE, "used after its end"));
    }

    /// Frees the node.
    pub(crate) fn free(&self) {
        self.read();
        // SAFETY: the model reports it if somebody may be reading.
        self.0.with_mut(|value| unsafe { *value = 0 });
    }
}

/// Runs `execution` in every interleaving with up to three preemptions.
pub(crate) fn check(execution: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.max(Some(3));
    model.check(execution);
}

/// The model must find the fault: `said` is in its report, or a race is. Runs in a process of its own, which a failing model may abort.
pub(crate) fn must_fail(test: &str, said: &str, execution: impl Fn() + Send + Sync + 'static) {
    const INNER: &str = "STILLPOINT_MUST_FAIL";
    if std::env::var_os(INNER).is_some() {
        return check(execution);
    }
    let mut inner = Command::new(std::env::current_exe().unwrap());
    let output = inner.args([test, "--exact", "--nocapture"]).env(INNER, "1").output().unwrap();
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the model does not notice the fault");
    assert!(
        report.contains("Causality violation") || report.contains(said),
        "it fails for another reason: {report}"
    );
}

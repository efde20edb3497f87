//! [`Savepoint`]: a place in a transaction to which its writes can be rolled back; and what runs when it has ended.

use crate::error::CommitError;
use crate::lease::Lease;
use crate::transaction::write_set::Write;

/// A place in a transaction: see [`Transaction::savepoint`](crate::Transaction::savepoint).
#[derive(Clone, Debug)]
pub struct Savepoint {
    pub(crate) lease: Lease,
    pub(crate) undo: usize,
    pub(crate) on_commit: usize,
    pub(crate) on_rollback: usize,
    pub(crate) failed: Option<CommitError>,
}

/// What each write replaced since the first savepoint: entry numbers with what was there.
pub(crate) struct Undo<O: Send + Sync + 'static> {
    pub(crate) is_kept: bool,
    pub(crate) log: Vec<(usize, Option<Write<O>>)>,
}

impl<O: Send + Sync + 'static> Undo<O> {
    pub(crate) fn new() -> Self {
        Undo { is_kept: false, log: Vec::new() }
    }
}

type Hook = Box<dyn FnOnce() + Send>;

/// What runs when the transaction has ended: in the order in which it was given, until one panics.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) on_commit: Vec<Hook>,
    pub(crate) on_rollback: Vec<Hook>,
}

impl Hooks {
    #[inline]
    pub(crate) fn committed(&mut self) {
        if !self.is_empty() {
            self.on_rollback.clear();
            run(&mut self.on_commit);
        }
    }

    #[inline]
    pub(crate) fn rolled_back(&mut self) {
        if !self.is_empty() {
            self.on_commit.clear();
            run(&mut self.on_rollback);
        }
    }

    fn is_empty(&self) -> bool {
        self.on_commit.is_empty() && self.on_rollback.is_empty()
    }
}

#[inline(never)]
fn run(hooks: &mut Vec<Hook>) {
    std::mem::take(hooks).into_iter().for_each(|hook| hook());
}

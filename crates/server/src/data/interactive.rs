//! BEGIN … COMMIT of a connection: one transaction for everything that it does until it ends.
//!
//! ```text
//!            BEGIN              COMMIT, ROLLBACK, RESET, the connection ends
//! (none) ──────────▶ Running ──────────────────────────────────────────────▶ (none)
//!                       │ its time is over
//!                       ▼            COMMIT (an error), ROLLBACK
//!                    Overdue ────────────────────────────────────────────▶ (none)
//! ```
//! Invariant: while it is `Overdue` the store holds nothing of it any more, and no command runs that could be taken for a part of it.

use super::{DataState, Mode};
use crate::value::Object;
use stillpoint_store::{Isolation, Store, TransactionOptions};

/// Where an interactive transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Running,
    /// It was rolled back since its time was over, and the client does not know yet.
    Overdue,
}

/// An open BEGIN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interactive {
    pub(crate) stage: Stage,
    deadline_ms: Option<u64>,
}

impl DataState {
    /// Begins; rolled back by itself at `deadline_ms`, if that is given.
    pub(crate) fn begin_transaction(
        &mut self,
        store: &Store<Object>,
        now_ms: u64,
        isolation: Isolation,
        deadline_ms: Option<u64>,
    ) {
        let options = TransactionOptions::at(now_ms).isolation(isolation);
        self.mode = Mode::Transaction(Box::new(store.begin_with(options)));
        self.interactive = Some(Interactive { stage: Stage::Running, deadline_ms });
    }

    /// Rolls an interactive transaction back whose time is over.
    pub(crate) fn end_overdue(&mut self, now_ms: u64) {
        if let Some(open) = &mut self.interactive
            && open.stage == Stage::Running
            && open.deadline_ms.is_some_and(|deadline| deadline <= now_ms)
        {
            open.stage = Stage::Overdue;
            self.forget_writes();
        }
    }

    /// Ends an interactive transaction without a trace. Where it was; `None`: there is none.
    pub(crate) fn roll_back(&mut self) -> Option<Stage> {
        let open = self.interactive.take()?;
        self.forget_writes();
        Some(open.stage)
    }

    fn forget_writes(&mut self) {
        self.mode = Mode::Direct;
        self.effects.clear();
        self.touched.clear();
    }
}

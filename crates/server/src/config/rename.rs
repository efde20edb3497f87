//! [`Renames`]: commands under other names, or none (`rename-command`).
//!
//! ```text
//! rename-command CONFIG b840fc02     CONFIG ─▶ unknown      b840fc02 ─▶ CONFIG's row
//! rename-command DEBUG ""            DEBUG  ─▶ unknown
//! ```
//! Clients and scripts use the new names; ACL rules, COMMAND and statistics the old ones, as in Redis.

use crate::command::{CommandId, Named, lookup};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What names have become; usually nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Renames {
    /// By name in lower case: the command that it stands for now, if any.
    names: Option<Arc<BTreeMap<Vec<u8>, Option<CommandId>>>>,
}

impl Renames {
    /// The command of a name, as clients say it.
    #[inline]
    pub(crate) fn lookup(&self, name: &[u8]) -> Named {
        match &self.names {
            None => lookup(name),
            Some(names) => match names.get(&name.to_ascii_lowercase()) {
                None => lookup(name),
                Some(found) => found.map(|id| (id, crate::command::by_id(id))),
            },
        }
    }

    /// Gives a command another name; an empty one: none.
    ///
    /// # Errors
    /// There is no such command, or there is one already of the new name.
    pub(super) fn add(&mut self, from: &str, to: &str) -> Result<(), String> {
        let (id, _) = self
            .lookup(from.as_bytes())
            .ok_or_else(|| format!("No such command in rename-command: '{from}'"))?;
        let mut names = self.names.as_deref().cloned().unwrap_or_default();
        names.insert(from.to_ascii_lowercase().into_bytes(), None);
        self.names = Some(Arc::new(names.clone()));
        if to.is_empty() {
            return Ok(());
        }
        if self.lookup(to.as_bytes()).is_some() {
            return Err(format!("Target command name already exists: '{to}'"));
        }
        names.insert(to.to_ascii_lowercase().into_bytes(), Some(id));
        self.names = Some(Arc::new(names));
        Ok(())
    }
}

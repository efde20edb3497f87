//! Reads and writes while somebody wants to hear of keys that are missed, new or expired.

use super::{Data, Item, Mode, expired};
use crate::command::CommandError;
use crate::event::{Effect, class};
use crate::value::Object;
use stillpoint_store::Draft;

impl Data<'_> {
    /// Tells that parts of a key were taken out; `is_gone`: and the key with the last of them.
    pub(crate) fn notify_shrunk(
        &mut self,
        class: u32,
        name: &'static str,
        key: &[u8],
        is_gone: bool,
    ) {
        self.notify(class, name, key);
        if is_gone {
            self.notify(class::GENERIC, "del", key);
        }
    }

    /// Tells that a result was stored, or that what was there went since the result is empty.
    pub(crate) fn notify_stored(
        &mut self,
        class: u32,
        name: &'static str,
        key: &[u8],
        was_there: bool,
        is_empty: bool,
    ) {
        match (is_empty, was_there) {
            (false, _) => self.notify(class, name, key),
            (true, true) => self.notify(class::GENERIC, "del", key),
            (true, false) => {}
        }
    }

    /// Tells of an event of the key, if somebody wants to hear of its class, once the command or its transaction has taken effect.
    pub(crate) fn notify(&mut self, class: u32, name: &'static str, key: &[u8]) {
        if self.events & class != 0 {
            self.state.effects.push(Effect::Event { db: self.db, name, key: key.into() });
        }
    }

    /// Removes the key if its value has expired; the store tells who listens.
    pub(crate) fn shed(&mut self, key: &[u8]) {
        if self.state.is_direct()
            && !self.paused
            && self.store.expire(self.at(), key)
            && self.server.blocking.is_needed()
        {
            self.state.touched.note(self.db, key);
        }
    }

    #[cold]
    pub(super) fn read_watched<R>(
        &mut self,
        key: &[u8],
        f: impl FnOnce(Option<Item<'_>>) -> R,
    ) -> Result<R, CommandError> {
        let at = self.at();
        let mut found = false;
        let f = |entry: Option<Item<'_>>| {
            found = entry.is_some();
            f(entry)
        };
        let result = match &mut self.state.mode {
            Mode::Direct if self.untouched => self.store.peek_with(at, key, f),
            Mode::Direct => self.store.get_with(at, key, f),
            Mode::Cut(snapshot) if self.untouched => {
                snapshot.peek_with(self.db, key, f).map_err(expired)?
            }
            Mode::Cut(snapshot) => snapshot.get_with(self.db, key, f).map_err(expired)?,
            Mode::Transaction(transaction) if self.untouched => {
                transaction.peek_with(self.db, key, f).map_err(expired)?
            }
            Mode::Transaction(transaction) => {
                transaction.get_with(self.db, key, f).map_err(expired)?
            }
        };
        if !found {
            self.shed(key);
            self.notify(class::KEY_MISS, "keymiss", key);
        }
        Ok(result)
    }

    #[cold]
    pub(super) fn update_watched<R>(
        &mut self,
        key: &[u8],
        mut f: impl FnMut(Option<Item<'_>>, &mut Draft<'_, Object>) -> R,
    ) -> Result<R, CommandError> {
        self.shed(key);
        let mut was_there = false;
        let result = self.update_plainly(key, |entry, draft| {
            was_there = entry.is_some();
            f(entry, draft)
        })?;
        if self.events & class::NEW != 0 && !was_there && self.is_there(key)? {
            self.notify(class::NEW, "new", key);
        }
        Ok(result)
    }

    fn is_there(&mut self, key: &[u8]) -> Result<bool, CommandError> {
        let at = self.at();
        match &mut self.state.mode {
            Mode::Transaction(transaction) => {
                transaction.get_with(at.space, key, |entry| entry.is_some()).map_err(expired)
            }
            _ => Ok(self.store.get_with(at, key, |entry| entry.is_some())),
        }
    }
}

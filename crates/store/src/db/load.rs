//! Loading what a [`Db`] does not have.

use super::{Db, SPACE, object};
use crate::cache::{LoadOptions, Loaded};
use crate::config::At;
use crate::db::key::{EncodeKey, Key};
use crate::error::LoadError;
use crate::owned_entry::OwnedEntry;
use std::borrow::Borrow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

fn value<V>(entry: Option<OwnedEntry<V>>) -> Option<Arc<V>> {
    entry.and_then(|entry| entry.object().map(Arc::clone))
}

impl<K: Key, V: Send + Sync + 'static> Db<K, V> {
    /// The value of `key`, which is loaded if there is none: of all who ask for it meanwhile one runs its `load`, and all get what that returned, or its
    /// error. `None` is not kept (a map of `Option<V>` remembers absence). A write or a removal of the key while the loader runs wins over what it returns:
    /// see [`Store::get_or_load`](crate::Store::get_or_load).
    ///
    /// # Progress
    /// A read if there is a value. Otherwise blocking, on the loader.
    ///
    /// # Errors
    /// The loader's; or the loader of the key asks for the key itself.
    ///
    /// # Panics
    /// If the loader does.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use stillpoint_store::{Config, Db, LoadOptions};
    ///
    /// let users: Db<u64, String> = Db::new(Config::default(), || 0);
    /// let options = LoadOptions::default().time_to_live(Duration::from_secs(60));
    /// let from_disk = |id: u64| if id == 7 { Ok(Some("anna".to_owned())) } else { Err("no disk") };
    ///
    /// assert_eq!(users.get_or_load(&7, options, || from_disk(7))?.as_deref(), Some(&"anna".to_owned()));
    /// assert_eq!(users.get(&7).as_deref(), Some(&"anna".to_owned()));
    /// assert_eq!(users.get_or_load(&8, options, || from_disk(8)).unwrap_err().to_string(), "no disk");
    /// # Ok::<(), stillpoint_store::LoadError<&'static str>>(())
    /// ```
    pub fn get_or_load<Q: EncodeKey + ?Sized, E: Send + Sync + 'static>(
        &self,
        key: &Q,
        options: LoadOptions,
        load: impl FnOnce() -> Result<Option<V>, E>,
    ) -> Result<Option<Arc<V>>, LoadError<E>>
    where
        K: Borrow<Q>,
    {
        let at = self.at();
        key.with_bytes(|key| {
            if let Some(value) = self.fresh(at, key, options) {
                return Ok(Some(value));
            }
            let load = || load().map(|value| value.map(|value| self.loaded(value, options)));
            self.store.get_or_load(at, key, options, load).map(value)
        })
    }

    /// As [`get_or_load`](Db::get_or_load), for tasks. If the task that loads is dropped, one of the others loads with its own future.
    ///
    /// # Errors
    /// As [`get_or_load`](Db::get_or_load).
    ///
    /// # Panics
    /// If the loader does.
    pub async fn get_or_load_async<Q: EncodeKey + ?Sized, E: Send + Sync + 'static>(
        &self,
        key: &Q,
        options: LoadOptions,
        load: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Option<Arc<V>>, LoadError<E>>
    where
        K: Borrow<Q>,
    {
        let at = self.at();
        let key = match key
            .with_bytes(|key| self.fresh(at, key, options).map_or_else(|| Err(key.to_vec()), Ok))
        {
            Ok(value) => return Ok(Some(value)),
            Err(key) => key,
        };
        let load = async { load.await.map(|value| value.map(|value| self.loaded(value, options))) };
        self.store.get_or_load_async(at, &key, options, load).await.map(value)
    }

    /// A value that is there and need not be loaded anew.
    fn fresh(&self, at: At, key: &[u8], options: LoadOptions) -> Option<Arc<V>> {
        debug_assert_eq!(at.space, SPACE);
        self.store.get_with(at, key, |entry| {
            let fresh = entry.filter(|entry| !options.is_due(entry, at.now_ms));
            fresh.and_then(object).map(Arc::clone)
        })
    }

    /// A loaded value, by the map's own clock.
    fn loaded(&self, value: V, options: LoadOptions) -> Loaded<V> {
        let loaded = Loaded::object(value);
        match options.lifetime() {
            None => loaded,
            Some(time) => loaded.expire_at_ms(self.after(time)),
        }
    }

    /// That time from now on.
    pub(super) fn after(&self, time: Duration) -> u64 {
        let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.at().now_ms.saturating_add(time_ms)
    }
}

//! redb over its backend in memory, without durability: a copy-on-write B-tree, one writer at a time.

use super::subject::{
    Attempt, Body, Key, MAX_VALUE_BYTES, Retry, Subject, Transactional, added, copy, number,
    until_done,
};
use redb::backends::InMemoryBackend;
use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction,
};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("suite");

pub(crate) struct Redb(Database);

impl Redb {
    fn write<R>(&self, f: impl FnOnce(&mut Table<'_, &'static [u8], &'static [u8]>) -> R) -> R {
        let transaction: WriteTransaction = {
            let mut transaction = self.0.begin_write().expect("the database is open");
            transaction.set_durability(Durability::None).expect("it has no savepoints");
            transaction
        };
        let result = f(&mut transaction.open_table(TABLE).expect("it is of these types"));
        transaction.commit().expect("there is memory for pages");
        result
    }
}

fn put(table: &mut Table<'_, &'static [u8], &'static [u8]>, key: &Key, value: &[u8]) {
    table.insert(key.as_slice(), value).expect("there is memory for pages");
}

impl Subject for Redb {
    const IS_ORDERED: bool = true;

    fn new() -> Self {
        let database = Database::builder().create_with_backend(InMemoryBackend::new());
        let redb = Redb(database.expect("an empty database in memory"));
        redb.write(|_| ());
        redb
    }
    fn fill(&self, keys: u64, value: &[u8]) {
        self.write(|table| {
            (0..keys).for_each(|number| put(table, &stillpoint_testkit::key(number), value));
        });
    }
    fn get(&self, key: &Key, out: &mut [u8]) -> bool {
        let cut = self.0.begin_read().expect("the database is open");
        let table = cut.open_table(TABLE).expect("it was made");
        let found = table.get(key.as_slice()).expect("memory does not fail");
        found.is_some_and(|value| copy(value.value(), out))
    }
    fn put(&self, key: &Key, value: &[u8]) {
        self.write(|table| put(table, key, value));
    }
    fn modify(&self, key: &Key) {
        self.transact(&[*key], &|| true, &mut |attempt| attempt.add(key, 1).map(drop));
    }
    fn scan(&self, first: &Key, count: usize, out: &mut [u8]) -> usize {
        let cut = self.0.begin_read().expect("the database is open");
        let table = cut.open_table(TABLE).expect("it was made");
        let range = table.range(first.as_slice()..).expect("memory does not fail");
        let found = range.take(count).filter_map(Result::ok);
        found.filter(|(_, value)| copy(value.value(), out)).count()
    }
}

struct Running<'t, 'x>(&'t mut Table<'x, &'static [u8], &'static [u8]>);

impl Attempt for Running<'_, '_> {
    fn balance(&mut self, key: &Key) -> Result<i64, Retry> {
        let found = self.0.get(key.as_slice()).map_err(|_| Retry)?;
        Ok(found.map_or(0, |value| number(value.value())))
    }
    fn add(&mut self, key: &Key, by: i64) -> Result<i64, Retry> {
        let found = self.0.get(key.as_slice()).map_err(|_| Retry)?.ok_or(Retry)?;
        debug_assert!(found.value().len() as u64 <= MAX_VALUE_BYTES);
        let value: Vec<u8> = added(found.value(), by);
        drop(found);
        put(self.0, key, &value);
        Ok(number(&value))
    }
}

impl Transactional for Redb {
    /// One writer at a time: nobody is in another's way, and no attempt is in vain. (One that was would have to be rolled back; only a key that is
    /// missing makes one.)
    fn transact(&self, _keys: &[Key], goes_on: &dyn Fn() -> bool, body: Body<'_>) -> u64 {
        until_done(goes_on, || self.write(|table| body(&mut Running(table)).is_ok()))
    }
}

//! [`Settings`]: every directive's value, typed, immutable; CONFIG SET makes a new one.

/// Values of all directives.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) databases: u8,
    pub(crate) requirepass: String,
    pub(crate) proto_max_bulk_len: i64,
    pub(crate) hash_max_listpack_entries: usize,
    pub(crate) hash_max_listpack_value: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            databases: 16,
            requirepass: String::new(),
            proto_max_bulk_len: 512 * 1024 * 1024,
            hash_max_listpack_entries: 128,
            hash_max_listpack_value: 64,
        }
    }
}

//! Redis's own file and dump format, so that data move in from and out to Redis and Valkey.
//!
//! ```text
//! file     "REDIS" version · aux fields · functions · for each database: SELECTDB, sizes, entries · EOF · checksum
//! entry    [expiry] · type · key · value
//! payload  type · value · version · checksum                        (DUMP, RESTORE)
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | `source`, `sink` | bytes in and out, with their offset and checksum |
//! | `scalar` | lengths, strings, numbers |
//! | `packed` | listpacks, ziplists, zipmaps, intsets: what other servers pack small collections into |
//! | `value` | the value of each type |
//! | `entry` | from a key of the store to its bytes, and back |
//! | `payload` | DUMP and RESTORE |
//! | `save`, `load` | whole files |
//!
//! What is written is version 10 with the plain form of each type, which everything since Redis 7.0 reads; what is read is everything up to
//! version 12, and Valkey's 80.

mod entry;
mod error;
mod functions;
mod load;
mod lzf;
mod packed;
mod payload;
mod save;
mod scalar;
mod sink;
mod source;
mod stream;
mod value;

pub(crate) use entry::Forms;
pub(crate) use error::RdbError;
pub(crate) use functions::{dump_functions, restore_functions};
pub(crate) use load::{Loaded, Target, load};
pub(crate) use payload::{dump, is_whole, restore};
pub(crate) use save::{Job, SaveError, Saved, remove_left_behind, save};

/// The version that is written.
const WRITTEN_VERSION: u16 = 10;
/// The newest version of Redis's numbering that is read.
const NEWEST_VERSION: u16 = 12;
/// Valkey numbers its own versions from here.
const VALKEY_VERSIONS: std::ops::RangeInclusive<u16> = 80..=80;

fn is_readable(version: u16) -> bool {
    (1..=NEWEST_VERSION).contains(&version) || VALKEY_VERSIONS.contains(&version)
}

/// What stands before an entry, or instead of one.
mod opcode {
    pub(super) const SLOT_INFO: u8 = 0xF4;
    pub(super) const FUNCTION: u8 = 0xF5;
    pub(super) const MODULE_AUX: u8 = 0xF7;
    pub(super) const IDLE: u8 = 0xF8;
    pub(super) const FREQUENCY: u8 = 0xF9;
    pub(super) const AUX: u8 = 0xFA;
    pub(super) const SIZES: u8 = 0xFB;
    pub(super) const EXPIRY_MS: u8 = 0xFC;
    pub(super) const EXPIRY_S: u8 = 0xFD;
    pub(super) const SELECT_DB: u8 = 0xFE;
    pub(super) const END: u8 = 0xFF;
}

/// Types of values.
mod kind_byte {
    pub(super) const STRING: u8 = 0;
    pub(super) const LIST: u8 = 1;
    pub(super) const SET: u8 = 2;
    pub(super) const SORTED_SET_TEXT: u8 = 3;
    pub(super) const HASH: u8 = 4;
    pub(super) const SORTED_SET: u8 = 5;
    pub(super) const HASH_ZIPMAP: u8 = 9;
    pub(super) const LIST_ZIPLIST: u8 = 10;
    pub(super) const SET_INTSET: u8 = 11;
    pub(super) const SORTED_SET_ZIPLIST: u8 = 12;
    pub(super) const HASH_ZIPLIST: u8 = 13;
    pub(super) const LIST_QUICKLIST: u8 = 14;
    pub(super) const HASH_LISTPACK: u8 = 16;
    pub(super) const SORTED_SET_LISTPACK: u8 = 17;
    pub(super) const LIST_QUICKLIST_2: u8 = 18;
    pub(super) const STREAM: u8 = 15;
    pub(super) const STREAM_2: u8 = 19;
    pub(super) const SET_LISTPACK: u8 = 20;
    pub(super) const STREAM_3: u8 = 21;
    /// With fields that expire (Redis 7.4).
    pub(super) const HASH_TIMED: u8 = 24;
    pub(super) const HASH_TIMED_LISTPACK: u8 = 25;
}

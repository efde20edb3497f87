//! Scripts and functions: Lua 5.1, one interpreter per event loop.
//!
//! ```text
//! EVAL, FCALL ─▶ Interpreter (of this loop) ─▶ Lua ─▶ redis.call ─▶ Caller ─▶ session::run ─▶ the script's transaction
//!                     │                                                                        ├ conflict: all of it again
//!                     └ Watch: too long? killed?                                               └ commit
//! Scripts (of the server): bodies by digest      Watches: what runs where
//! ```
//!
//! Invariants:
//! 1. A script is one serialisable transaction, or, if it may not write, reads at one cut.
//! 2. What it wrote before an error stays, as in Redis; what it wrote before it was killed or moved does not.
//! 3. No script changes what another one finds: the names it sees are sealed (`prelude.lua`), its numbers are seeded anew.

mod cache;
mod call;
mod fault;
mod flags;
mod host;
mod interpreter;
mod libraries;
mod library;
mod loading;
mod number;
mod register;
mod to_lua;
mod to_reply;
mod watch;

pub(crate) use cache::{Digest, Script, Scripts};
pub(crate) use flags::Flags;
pub(crate) use interpreter::{Interpreter, Job};
pub(crate) use libraries::{Libraries, Library};
pub(crate) use loading::{Policy, load_libraries};
pub(crate) use watch::{Kind, NotKilled, Watches};

use crate::counter::Gauge;

/// What all loops share of scripts.
#[derive(Default)]
pub(crate) struct Scripting {
    pub(crate) scripts: Scripts,
    pub(crate) libraries: Libraries,
    pub(crate) watches: Watches,
    /// Above 0: scripts may run commands that are not for scripts (DEBUG SET-DISABLE-DENY-SCRIPTS).
    pub(crate) allow_all: Gauge,
}

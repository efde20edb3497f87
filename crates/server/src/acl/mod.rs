//! Access control: who a connection is, and what it may do.
//!
//! ```text
//! Acl ── name ─▶ Account ── now ─▶ User (immutable): passwords, Selector, Selector …
//!  │ generation                     a selector: commands, key patterns, channel patterns
//!  ▼
//! Login (of a session): account, user as of a generation, and whether that one may do everything
//! ```
//!
//! A command of a connection that may do everything costs one comparison: its pass bears the generation that is in force.
//! Everything else is checked by [`check`], selector by selector.
//!
//! Invariants:
//! 1. Who has been told that a user was changed has it in force for every command that any connection begins from then on.
//! 2. Changes are made one at a time; the generation is raised after the accounts have changed.
//! 3. A connection that listens to a channel which its user has lost is ended: whoever changes the user looks through the subscriptions after
//!    raising the generation, whoever subscribes looks at the generation after subscribing.

mod access;
mod check;
mod definition;
mod file;
mod log;
mod login;
mod registry;
mod revoke;
mod rule;
mod selector;
mod start;
mod user;

pub(crate) use access::{key_flags, key_flags_of, key_positions};
pub(crate) use check::{Denial, check, may_read_every_key};
pub(crate) use definition::{Definition, is_name};
pub(crate) use file::{read as read_file, write as write_file};
pub(crate) use log::{Entry, Reason, Scene};
pub(crate) use login::Login;
pub(crate) use registry::{Account, Acl};
pub(crate) use revoke::{end_connections, end_listeners};
pub(crate) use selector::Selector;
pub(crate) use start::{check_line, load_at_start};

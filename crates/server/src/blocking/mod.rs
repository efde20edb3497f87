//! Clients that wait for a key: BLPOP and all others that block.
//!
//! ```text
//!  loop 1: BLPOP k 0                                   loop 0: RPUSH k x
//!    finds nothing at k                                  writes k
//!    registry: (db, k) ─▶ [waiter 7, waiter 9, …]        is anybody waiting? ── one load ──▶ no: done
//!    reads no further requests                           yes: under the registry's lock runs waiter 7's command,
//!                                                             then waiter 9's, … while k has what they wait for
//!    sends the reply, goes on        ◀── mailbox ───────      leaves the reply with the waiter
//! ```
//! A waiter keeps its request. It is served by running that request's handler again, on behalf of the waiter, by the loop whose command wrote
//! the key, before that command's reply is sent. A handler that still finds nothing writes nothing.
//!
//! | file | concept |
//! |---|---|
//! | `wish` | what a handler says that it waits for, and how it waits |
//! | `waiter` | one waiting client |
//! | `registry` | all of them, by key, in the order of arrival |
//! | `serve` | running what waiters wait for |
//!
//! # Invariants
//! 1. **No wake-up is lost.** A client enters the registry, *then* looks at its keys (once more); a writer writes, *then* reads the number of waiters.
//!    Between the two steps of each stands a fence (the writer's light, the client's heavy), so one of them sees the other's first step: either
//!    the client finds the element, or the writer finds a waiter. The writer then takes the lock, which the client has had since before it entered,
//!    so it finds the waiter in the registry, or gone because it has been served.
//! 2. **Nothing is delivered twice, nothing is lost.** What a waiter gets is taken by an ordinary write of the store (one key, or a transaction), and the
//!    waiter leaves the registry in the same critical section. Who leaves it for another reason (time, CLIENT UNBLOCK, hang-up) does so under the lock: it
//!    was either served before, and then finds its reply, or it never will be.
//! 3. **First come, first served.** Waiters of a key are served in the order of their arrival; a client that comes while others wait for one of its keys
//!    goes behind them even if the key has something by then. (LPOP and its kin wait for nothing and take what they find: a plain pop of another
//!    loop between a push and its waiters' being served gets the element, as if it had come before the waiter.)
//! 4. No lock is held while a client waits, and the registry's lock is the only one that is held while the store is used. Servers are one at a time.
//! 5. A handler that serves does not wait: `State::may_wait` is false for it. Nor does one inside MULTI or a script.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[waiting]` | the number of waiters: added to under the lock before the heavy fence, read after the light one; all Relaxed, the fences order it |

mod registry;
mod serve;
mod waiter;
mod wish;

pub(crate) use registry::Registry;
pub(crate) use serve::serve;
pub(crate) use waiter::Waiter;
pub(crate) use wish::{Awaited, Nothing, Wish, answer_or_wait, deadline};

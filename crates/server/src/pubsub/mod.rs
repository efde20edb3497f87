//! Publish/subscribe: who listens to what ([`Registry`]), and how word reaches a connection on whichever loop it lives ([`Inbox`]).
//!
//! ```text
//! PUBLISH ─▶ Registry: channel ─▶ {client: Card} ─▶ card.inbox ─▶ (rings its loop) ─▶ output buffer ─▶ socket
//!                      pattern ─▶ {client: Card} ─▶    ⋮
//! ```
//!
//! A message is encoded once and shared by all that get it; RESP3 differs from RESP2 in its first byte only.

mod inbox;
mod message;
mod registry;
mod subscriptions;

pub(crate) use inbox::{Inbox, Parcel};
pub(crate) use registry::{Kind, Registry};
pub(crate) use subscriptions::Subscriptions;

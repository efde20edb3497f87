//! Redis's protocol: requests in ([`Parser`]), replies out ([`Reply`]).

mod args;
mod inline;
mod pages;
mod parser;
mod piece;
mod reply;
mod streamed;

#[cfg(test)]
mod tests;

pub(crate) use args::{ArgRange, Args};
pub(crate) use inline::split_words;
pub(crate) use parser::{ParseLimits, Parsed, Parser, strict_integer};
pub(crate) use piece::{Encode, Piece, Room};
pub(crate) use reply::{Mark, Protocol, Reply, format_double};
pub(crate) use streamed::Source;

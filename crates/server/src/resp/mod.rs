//! Redis's protocol: requests in ([`Parser`]), replies out ([`Reply`]).

mod args;
mod inline;
mod parser;
mod reply;

#[cfg(test)]
mod tests;

pub(crate) use args::{ArgRange, Args};
pub(crate) use inline::split_words;
pub(crate) use parser::{ParseLimits, Parsed, Parser, strict_integer};
pub(crate) use reply::{Mark, Protocol, Reply, format_double};

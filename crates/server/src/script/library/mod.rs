//! The libraries that scripts have beside Lua's own: `bit`, `cjson`, `cmsgpack`, `struct`, and random numbers.

mod bits;
mod decode;
mod encode;
mod json;
mod msgpack;
mod pack;
mod random;

pub(super) use bits::bits;
pub(super) use json::json;
pub(super) use msgpack::msgpack;
pub(super) use pack::pack;
pub(super) use random::{Random, random};

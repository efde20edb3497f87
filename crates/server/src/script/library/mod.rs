//! The libraries that scripts have beside Lua's own: `bit`, `cjson`, `cmsgpack`, `struct`, random numbers, and the
//! functions of `string` that take long.

mod bits;
mod decode;
mod encode;
mod json;
mod msgpack;
mod pack;
mod pattern;
mod random;
mod strings;

pub(super) use bits::bits;
pub(super) use json::json;
pub(super) use msgpack::msgpack;
pub(super) use pack::pack;
pub(super) use random::{Random, random};
pub(super) use strings::strings;

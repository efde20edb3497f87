//! [`Object`]: values that are more than a byte string.

/// A value of a type other than string.
#[non_exhaustive]
pub enum Object {}

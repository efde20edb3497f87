//! [`CommandError`]: why a command failed, and the one place that says it in the client's words.

use crate::resp::Reply;
use std::borrow::Cow;

/// A command's failure. The text is Redis's, word for word.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommandError {
    /// The key holds another type.
    WrongType,
    Syntax,
    NotAnInteger,
    NotAFloat,
    NoSuchKey,
    /// Anything else: the whole text after the code word `ERR`.
    Other(Cow<'static, str>),
    /// A text with a code word of its own.
    Coded(Cow<'static, str>),
    /// None: it is too much to do here, and goes on elsewhere, from its beginning.
    Elsewhere,
    /// `ERR wrong number of arguments for '…' command`, by the command's full name.
    Arity(&'static str),
}

impl CommandError {
    /// What a write is told when memory is full.
    pub(crate) const OUT_OF_MEMORY: &'static str =
        "OOM command not allowed when used memory > 'maxmemory'.";

    /// `ERR` and this text.
    pub(crate) fn other(text: impl Into<Cow<'static, str>>) -> Self {
        CommandError::Other(text.into())
    }
    /// Writes the error reply.
    pub(crate) fn write(&self, out: &mut Reply) {
        let text: Cow<'_, str> = match self {
            CommandError::WrongType => {
                "WRONGTYPE Operation against a key holding the wrong kind of value".into()
            }
            CommandError::Syntax => "ERR syntax error".into(),
            CommandError::NotAnInteger => "ERR value is not an integer or out of range".into(),
            CommandError::NotAFloat => "ERR value is not a valid float".into(),
            CommandError::NoSuchKey => "ERR no such key".into(),
            CommandError::Other(text) => format!("ERR {text}").into(),
            CommandError::Coded(text) => text.as_ref().into(),
            // Nobody is told: `session::run` sends the request elsewhere.
            CommandError::Elsewhere => "ERR try again".into(),
            CommandError::Arity(name) => {
                format!("ERR wrong number of arguments for '{name}' command").into()
            }
        };
        out.error(&text);
    }
}

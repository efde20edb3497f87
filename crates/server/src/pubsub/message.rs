//! A message as it goes to subscribers, in its RESP2 form.

use std::sync::Arc;

/// What a message is called: by how its receiver subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Message,
    PatternMessage,
    ShardMessage,
}

impl Name {
    fn text(self) -> &'static [u8] {
        match self {
            Name::Message => b"message",
            Name::PatternMessage => b"pmessage",
            Name::ShardMessage => b"smessage",
        }
    }
}

/// Encodes an array of bulk strings: the name and `parts`.
pub(crate) fn encode(name: Name, parts: &[&[u8]]) -> Arc<[u8]> {
    let mut bytes =
        Vec::with_capacity(32 + parts.iter().map(|part| part.len() + 16).sum::<usize>());
    let mut digits = itoa::Buffer::new();
    let mut header = |bytes: &mut Vec<u8>, kind: u8, n: usize| {
        bytes.push(kind);
        bytes.extend_from_slice(digits.format(n).as_bytes());
        bytes.extend_from_slice(b"\r\n");
    };
    header(&mut bytes, b'*', parts.len() + 1);
    for part in std::iter::once(&name.text()).chain(parts) {
        header(&mut bytes, b'$', part.len());
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_an_array_of_bulk_strings() {
        let bytes = encode(Name::PatternMessage, &[b"n*", b"news", b""]);
        assert_eq!(&*bytes, b"*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$0\r\n\r\n");
    }
}

//! Splits an inline request into its arguments, with the quoting rules of Redis's `sdssplitargs`.
//!
//! | in | means |
//! |---|---|
//! | blanks (space, `\n`, `\r`, `\t`, `\v`, `\f`) | end of an argument |
//! | `"…"` | text with escapes `\n \r \t \b \a \xHH`, any other escaped byte stands for itself |
//! | `'…'` | text as it is, but `\'` is a quote |
//! | a closing quote followed by anything but a blank | an error |

use super::args::ArgRange;

fn is_blank(b: u8) -> bool {
    b.is_ascii_whitespace() || b == 0x0b
}

/// Appends the unescaped arguments to `out` and their places to `ranges`. `Err`: a quote is not closed, or closed in mid-word.
pub(crate) fn split_inline(
    text: &[u8],
    out: &mut Vec<u8>,
    ranges: &mut Vec<ArgRange>,
) -> Result<(), ()> {
    let mut rest = text;
    loop {
        while let [b, tail @ ..] = rest
            && (is_blank(*b))
        {
            rest = tail;
        }
        // A NUL ends the line, as it ends a C string.
        if rest.is_empty() || rest[0] == 0 {
            return Ok(());
        }
        let start = out.len();
        rest = word(rest, out)?;
        ranges.push(ArgRange { start: start as u32, len: (out.len() - start) as u32 });
    }
}

fn word<'t>(mut rest: &'t [u8], out: &mut Vec<u8>) -> Result<&'t [u8], ()> {
    loop {
        match rest {
            [] | [0, ..] => return Ok(&[]),
            [b, ..] if is_blank(*b) => return Ok(rest),
            [b'"', tail @ ..] => return closed(double_quoted(tail, out)?),
            [b'\'', tail @ ..] => return closed(single_quoted(tail, out)?),
            [b, tail @ ..] => {
                out.push(*b);
                rest = tail;
            }
        }
    }
}

fn closed(rest: &[u8]) -> Result<&[u8], ()> {
    match rest.first() {
        Some(b) if !is_blank(*b) && *b != 0 => Err(()),
        _ => Ok(rest),
    }
}

fn double_quoted<'t>(mut rest: &'t [u8], out: &mut Vec<u8>) -> Result<&'t [u8], ()> {
    loop {
        rest = match rest {
            [] => return Err(()),
            [b'"', tail @ ..] => return Ok(tail),
            [b'\\', b'x', hi, lo, tail @ ..]
                if hi.is_ascii_hexdigit() && lo.is_ascii_hexdigit() =>
            {
                out.push(hex(*hi) * 16 + hex(*lo));
                tail
            }
            [b'\\', b, tail @ ..] => {
                out.push(match b {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                tail
            }
            [b, tail @ ..] => {
                out.push(*b);
                tail
            }
        }
    }
}

fn single_quoted<'t>(mut rest: &'t [u8], out: &mut Vec<u8>) -> Result<&'t [u8], ()> {
    loop {
        rest = match rest {
            [] => return Err(()),
            [b'\'', tail @ ..] => return Ok(tail),
            [b'\\', b'\'', tail @ ..] => {
                out.push(b'\'');
                tail
            }
            [b, tail @ ..] => {
                out.push(*b);
                tail
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// The unescaped words of a line; `None` if its quotes do not balance.
pub(crate) fn split_words(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut out, mut ranges) = (Vec::new(), Vec::new());
    split_inline(text, &mut out, &mut ranges).ok()?;
    Some(super::args::Args::new(&out, &ranges).iter_from(0).map(<[u8]>::to_vec).collect())
}

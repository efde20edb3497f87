//! Scores: C's `double`, read as Redis does. `Reply::double` writes them.

use super::float::{LongDouble, NotANumber, has_nonzero_digit};

/// Reads a number of an argument: no blanks, nothing beyond a double's range, no `nan`.
pub(crate) fn parse_score(text: &[u8]) -> Result<f64, NotANumber> {
    if text.first().is_none_or(u8::is_ascii_whitespace) {
        return Err(NotANumber);
    }
    let score = any_number(text).ok_or(NotANumber)?;
    let is_out_of_range = match score {
        score if score.is_infinite() => text.iter().any(u8::is_ascii_digit),
        score => score == 0.0 && has_nonzero_digit(text),
    };
    if score.is_nan() || is_out_of_range { Err(NotANumber) } else { Ok(score) }
}

/// Reads a bound of a range as C's `strtod` does: blanks in front, `inf`, and nothing at all, which is 0.
pub(crate) fn parse_bound(text: &[u8]) -> Result<f64, NotANumber> {
    if text.is_empty() {
        return Ok(0.0);
    }
    any_number(text.trim_ascii_start()).filter(|bound| !bound.is_nan()).ok_or(NotANumber)
}

fn any_number(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.bytes().any(|c| matches!(c, b'x' | b'X')) {
        return LongDouble::parse_tiny(text.as_bytes()).ok().map(LongDouble::to_f64);
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_read_as_in_redis() {
        let yes = [
            ("1", 1.0),
            ("-0", 0.0),
            ("+1.5e3", 1500.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("0x0", 0.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("0e9", 0.0),
            ("0e-999", 0.0),
            ("0x0p-9999", 0.0),
        ];
        yes.iter().for_each(|(text, score)| {
            assert_eq!(parse_score(text.as_bytes()).ok(), Some(*score), "{text}")
        });
        for text in
            ["", " 1", "1 ", "nan", "x", "1e", "1e999", "-1e999", "1e-999", "0x1p-1080", "e5", "."]
        {
            assert!(parse_score(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(parse_bound(b" 1"), Ok(1.0));
        assert_eq!(parse_bound(b""), Ok(0.0));
        assert_eq!(parse_bound(b"1e999"), Ok(f64::INFINITY));
        assert_eq!((parse_bound(b"1e-999"), parse_bound(b"0x1p-99999")), (Ok(0.0), Ok(0.0)));
        assert!(parse_bound(b"nan").is_err() && parse_bound(b"1 ").is_err());
    }
}

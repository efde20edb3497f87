//! INCRBYFLOAT's numbers: C's `long double` of x86-64 (64 bits of mantissa), read and written as Redis does.
//!
//! The arithmetic is a library's; here is only the text: at most 17 digits behind the point, rounded to even, trailing zeros cut.

use num_bigint::BigUint;
use rustc_apfloat::ieee::{Double, X87DoubleExtended};
use rustc_apfloat::{Category, Float, FloatConvert, Round};
use std::fmt;
use std::str::FromStr;

/// The longest number that Redis accepts.
const MAX_TEXT_BYTES: usize = 5 * 1024;
const DIGITS_BEHIND_POINT: u32 = 17;
/// A finite number is mantissa × 2^(exponent - BIAS).
const BIAS: i64 = 16383 + 63;

/// The text is no number that Redis accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotANumber;

/// An extended-precision number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LongDouble(X87DoubleExtended);

impl LongDouble {
    /// Reads a number; `inf` is one, `nan` is not, nor what is too near to 0 to be told from it.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, NotANumber> {
        let number = LongDouble::parse_tiny(text)?;
        if number.0.is_zero() && has_nonzero_digit(text) { Err(NotANumber) } else { Ok(number) }
    }

    /// As [`parse`](LongDouble::parse), but that what is too near to 0 is 0.
    pub(super) fn parse_tiny(text: &[u8]) -> Result<Self, NotANumber> {
        if text.len() > MAX_TEXT_BYTES || text.first().is_none_or(u8::is_ascii_whitespace) {
            return Err(NotANumber);
        }
        let text = std::str::from_utf8(text).map_err(|_| NotANumber)?;
        let (sign, digits) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let magnitude = match digits.to_ascii_lowercase().as_str() {
            "inf" | "infinity" => X87DoubleExtended::INFINITY,
            digits if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
                finite(digits).ok_or(NotANumber)?
            }
            _ => return Err(NotANumber),
        };
        Ok(LongDouble(if sign { -magnitude } else { magnitude }))
    }

    pub(crate) fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// The nearest double.
    pub(crate) fn to_f64(self) -> f64 {
        let mut loses_digits = false;
        let double: Double = self.0.convert(&mut loses_digits).value;
        f64::from_bits(double.to_bits() as u64)
    }

    /// The sum, if it is a number and finite.
    pub(crate) fn checked_add(self, other: LongDouble) -> Option<LongDouble> {
        let sum = (self.0 + other.0).value;
        sum.is_finite().then_some(LongDouble(sum))
    }
}

/// Whether a number, of these digits and maybe an exponent, is not 0.
pub(super) fn has_nonzero_digit(text: &[u8]) -> bool {
    let hexadecimal = text.iter().position(|c| matches!(c, b'x' | b'X'));
    let (digits, mark) = hexadecimal.map_or((text, b'e'), |at| (&text[at + 1..], b'p'));
    let mut mantissa = digits.iter().take_while(|c| c.to_ascii_lowercase() != mark);
    mantissa.any(|c| c.is_ascii_hexdigit() && *c != b'0')
}

/// Reads digits with a point and an exponent, or hexadecimal ones.
fn finite(digits: &str) -> Option<X87DoubleExtended> {
    let hexadecimal = digits.strip_prefix("0x");
    let (mark, is_digit): (char, fn(&u8) -> bool) = match hexadecimal {
        Some(_) => ('p', u8::is_ascii_hexdigit),
        None => ('e', u8::is_ascii_digit),
    };
    let (mantissa, exponent) = match hexadecimal.unwrap_or(digits).split_once(mark) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (hexadecimal.unwrap_or(digits), None),
    };
    let (whole, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str, is_digit: fn(&u8) -> bool| part.bytes().all(|c| is_digit(&c));
    if whole.len() + behind.len() == 0
        || !all_digits(whole, is_digit)
        || !all_digits(behind, is_digit)
    {
        return None;
    }
    if let Some(exponent) = exponent {
        let number = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if number.is_empty() || !all_digits(number, u8::is_ascii_digit) {
            return None;
        }
    }
    let text = match (hexadecimal, exponent) {
        (Some(_), None) => format!("{digits}p0"),
        _ => digits.to_owned(),
    };
    let read = X87DoubleExtended::from_str_r(&text, Round::NearestTiesToEven).ok()?.value;
    read.is_finite().then_some(read)
}

impl FromStr for LongDouble {
    type Err = NotANumber;
    fn from_str(text: &str) -> Result<Self, NotANumber> {
        LongDouble::parse(text.as_bytes())
    }
}

impl fmt::Display for LongDouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.category() {
            Category::Infinity => {
                return f.write_str(if self.0.is_negative() { "-inf" } else { "inf" });
            }
            Category::NaN => return f.write_str("nan"),
            Category::Zero => return f.write_str("0"),
            Category::Normal => {}
        }
        let bits = self.0.to_bits();
        let mantissa = BigUint::from(bits as u64);
        let exponent = (bits >> 64 & 0x7fff) as i64 - BIAS;
        let scaled =
            scale(mantissa * BigUint::from(10u32).pow(DIGITS_BEHIND_POINT), exponent).to_string();
        let padded = format!("{scaled:0>width$}", width = DIGITS_BEHIND_POINT as usize + 1);
        let (whole, behind) = padded.split_at(padded.len() - DIGITS_BEHIND_POINT as usize);
        let behind = behind.trim_end_matches('0');
        let is_zero = whole == "0" && behind.is_empty();
        let sign = if self.0.is_negative() && !is_zero { "-" } else { "" };
        let point = if behind.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{behind}")
    }
}

/// number × 2^exponent, rounded to the nearest integer, ties to even.
fn scale(number: BigUint, exponent: i64) -> BigUint {
    if exponent >= 0 {
        return number << exponent as u64;
    }
    let shift = exponent.unsigned_abs();
    let quotient = &number >> shift;
    let rest = number - (&quotient << shift);
    let half = BigUint::from(1u32) << (shift - 1);
    let up = rest > half || rest == half && quotient.bit(0);
    quotient + u32::from(up)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> String {
        LongDouble::parse(a.as_bytes())
            .unwrap()
            .checked_add(b.parse().unwrap())
            .unwrap()
            .to_string()
    }

    #[test]
    fn sums_read_as_those_of_redis() {
        assert_eq!(sum("10.50", "0.1"), "10.6");
        assert_eq!(sum("5.0e3", "2.0e2"), "5200");
        assert_eq!(sum("1", "-1.1"), "-0.1");
        assert_eq!(sum("3", "1.1"), "4.1");
        assert_eq!(sum("17179869184", "1.5"), "17179869185.5");
        assert_eq!(sum("0", "0"), "0");
        assert_eq!(sum("-0.0", "-1e-30"), "0");
        assert_eq!(sum("0.0000000000000001", "0"), "0.0000000000000001");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", " 1", "1 ", "abc", "nan", "1e", "--1", "1.2.3", "0x", "1e999999"] {
            assert!(LongDouble::parse(text.as_bytes()).is_err(), "{text}");
        }
        // What is too near to 0 is none either, if it is not 0.
        for text in
            ["1e-5000", "-7e-2680274423384014852", "0.00001E-4960", "0x1p-99999", "0xep-99999"]
        {
            assert!(LongDouble::parse(text.as_bytes()).is_err(), "{text}");
        }
        for text in ["0e-5000", "-0.00e-99999", "0x0.0p-99999", "1e-4940", "1e-4000"] {
            assert_eq!(sum(text, "1"), "1", "{text}");
        }
        let infinite: LongDouble = "inf".parse().unwrap();
        assert!(infinite.checked_add("1".parse().unwrap()).is_none());
    }
}

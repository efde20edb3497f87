//! Numbers as C prints them: `%.14g` for Lua's own texts and JSON, `%.17g` for arguments of commands.

/// `x` as C's `%.{digits}g` gives it.
pub(super) fn general(x: f64, digits: usize) -> String {
    if x.is_nan() {
        return if x.is_sign_negative() { "-nan" } else { "nan" }.into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf" } else { "-inf" }.into();
    }
    if x == x.trunc() && x.abs() < 1e14 && digits >= 14 && !(x == 0.0 && x.is_sign_negative()) {
        return (x as i64).to_string();
    }
    let scientific = format!("{:.*e}", digits - 1, x);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs());
    }
    without_zeros(&format!("{:.*}", (digits as i32 - 1 - exponent) as usize, x)).to_owned()
}

fn without_zeros(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

/// A number as an argument of a command: a whole one in digits, any other with all that it takes to read it back.
pub(super) fn argument(x: f64) -> String {
    // Beyond 2^63 a whole number has no 64 bits to go through.
    if x == x.trunc() && x.abs() < 9.2e18 && !(x == 0.0 && x.is_sign_negative()) {
        return (x as i64).to_string();
    }
    general(x, 17)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_c_prints_them() {
        let cases: &[(f64, usize, &str)] = &[
            (0.0, 14, "0"),
            (-0.0, 14, "-0"),
            (1.0, 14, "1"),
            (0.1, 14, "0.1"),
            (0.1, 17, "0.10000000000000001"),
            (3.0e-4, 14, "0.0003"),
            (3.0e-5, 14, "3e-05"),
            (1e15, 14, "1e+15"),
            (9_007_199_254_740_992.0, 14, "9.007199254741e+15"),
            (123_456.789, 14, "123456.789"),
            (1e100, 17, "1e+100"),
            (f64::NEG_INFINITY, 14, "-inf"),
        ];
        for (x, digits, text) in cases {
            assert_eq!(general(*x, *digits), *text, "{x}");
        }
        assert_eq!(argument(9_007_199_254_740_991.0), "9007199254740991");
        assert_eq!(argument(1.5), "1.5");
        assert_eq!(argument(-3.0), "-3");
    }
}

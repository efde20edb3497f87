//! Wall clock readings and their calendar form. Only the listener and the commands that report time read them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    now_us() / 1000
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `21 Nov 2026 07:42:28.123`, in UTC.
pub(crate) fn calendar(now_ms: u64) -> String {
    let (year, month, day) = civil(now_ms / 86_400_000);
    format!("{day:02} {} {year} {}", MONTHS[month], time_of_day(now_ms))
}

/// `2026-11-21T07:42:28.123Z`.
pub(crate) fn iso8601(now_ms: u64) -> String {
    let (year, month, day) = civil(now_ms / 86_400_000);
    format!("{year}-{:02}-{day:02}T{}Z", month + 1, time_of_day(now_ms))
}

/// `07:42:28.123`.
fn time_of_day(now_ms: u64) -> String {
    let rest = now_ms % 86_400_000;
    let (hours, minutes, seconds) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", rest % 1000)
}

/// Year, month (from 0) and day of a day number since 1970, by counting in 400-year cycles from a 1st of March
/// (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, usize, u64) {
    let z = days + 719_468;
    let (cycle, of_cycle) = (z / 146_097, z % 146_097);
    let year = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let from_january = if month < 10 { month + 2 } else { month - 10 };
    let year = year + cycle * 400 + u64::from(from_january < 2);
    (year, from_january as usize, day)
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(super::calendar(0), "01 Jan 1970 00:00:00.000");
        assert_eq!(super::calendar(951_782_400_000), "29 Feb 2000 00:00:00.000");
        assert_eq!(super::iso8601(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(super::calendar(1_709_251_199_999), "29 Feb 2024 23:59:59.999");
        assert_eq!(super::calendar(1_795_247_100_001), "21 Nov 2026 07:45:00.001");
    }
}

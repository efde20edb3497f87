//! Expiry times as commands give them: relative or absolute, in seconds or milliseconds.

use super::CommandError;
use crate::resp::{Args, strict_integer};
use std::ops::Range;

/// How a number says when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    seconds: bool,
    absolute: bool,
}

impl Unit {
    pub(crate) const EX: Unit = Unit { seconds: true, absolute: false };
    pub(crate) const PX: Unit = Unit { seconds: false, absolute: false };
    pub(crate) const EXAT: Unit = Unit { seconds: true, absolute: true };
    pub(crate) const PXAT: Unit = Unit { seconds: false, absolute: true };

    /// The unit that an option of SET or GETEX names.
    pub(crate) fn of_option(word: &[u8]) -> Option<Unit> {
        const NAMES: [(&str, Unit); 4] =
            [("EX", Unit::EX), ("PX", Unit::PX), ("EXAT", Unit::EXAT), ("PXAT", Unit::PXAT)];
        NAMES
            .iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, unit)| *unit)
    }

    /// The moment in milliseconds; for EXPIRE, which takes times that are over.
    pub(crate) fn moment(
        self,
        number: &[u8],
        now_ms: u64,
        command: &str,
    ) -> Result<i64, CommandError> {
        let number = strict_integer(number).ok_or(CommandError::NotAnInteger)?;
        let invalid = || CommandError::other(format!("invalid expire time in '{command}' command"));
        let ms = if self.seconds { number.checked_mul(1000).ok_or_else(invalid)? } else { number };
        if self.absolute { Ok(ms) } else { ms.checked_add_unsigned(now_ms).ok_or_else(invalid) }
    }

    /// The moment in milliseconds; for SET and GETEX, which do not take numbers below 1.
    pub(crate) fn future(
        self,
        number: &[u8],
        now_ms: u64,
        command: &str,
    ) -> Result<u64, CommandError> {
        if strict_integer(number).is_some_and(|number| number <= 0) {
            return Err(CommandError::other(format!("invalid expire time in '{command}' command")));
        }
        Ok(self.moment(number, now_ms, command)?.unsigned_abs())
    }

    /// The moment in milliseconds; for the fields of a hash, which do not take numbers below 0.
    pub(crate) fn not_negative(
        self,
        number: &[u8],
        now_ms: u64,
        command: &str,
    ) -> Result<u64, CommandError> {
        let invalid = || CommandError::other(format!("invalid expire time in '{command}' command"));
        if strict_integer(number).is_some_and(|number| number < 0) {
            return Err(invalid());
        }
        u64::try_from(self.moment(number, now_ms, command)?).map_err(|_| invalid())
    }
}

/// When EXPIRE, or HEXPIRE, changes what there is; all that are said have to hold.
#[derive(Clone, Copy, Default)]
pub(crate) struct Conditions {
    if_none: bool,
    if_some: bool,
    if_later: bool,
    if_earlier: bool,
}

impl Conditions {
    /// What these arguments say.
    pub(crate) fn of(args: Args<'_>, at: Range<usize>) -> Result<Self, CommandError> {
        let mut conditions = Conditions::default();
        for at in at {
            match () {
                () if args.is(at, "NX") => conditions.if_none = true,
                () if args.is(at, "XX") => conditions.if_some = true,
                () if args.is(at, "GT") => conditions.if_later = true,
                () if args.is(at, "LT") => conditions.if_earlier = true,
                () => {
                    let word = String::from_utf8_lossy(args.at(at));
                    return Err(CommandError::other(format!("Unsupported option {word}")));
                }
            }
        }
        if conditions.if_none
            && (conditions.if_some || conditions.if_later || conditions.if_earlier)
        {
            let text = "NX and XX, GT or LT options at the same time are not compatible";
            return Err(CommandError::other(text));
        }
        if conditions.if_later && conditions.if_earlier {
            return Err(CommandError::other(
                "GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    /// Whether `present` may become `next`. No expiry is later than any.
    pub(crate) fn allow(self, present: Option<u64>, next: i64) -> bool {
        let later = present.is_some_and(|present| next > present as i64);
        let earlier = present.is_none_or(|present| next < present as i64);
        !(self.if_none && present.is_some()
            || self.if_some && present.is_none()
            || self.if_later && !later
            || self.if_earlier && !earlier)
    }
}

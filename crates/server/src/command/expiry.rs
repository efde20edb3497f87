//! Expiry times as commands give them: relative or absolute, in seconds or milliseconds.

use super::CommandError;
use crate::resp::strict_integer;

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
}

//! Random draws: HRANDFIELD's, SRANDMEMBER's, ZRANDMEMBER's counts and numbers.

use super::{CommandError, Context};

/// The longest answer with repetitions, so that one command cannot ask for all memory.
const MOST_REPEATED: i64 = 1 << 24;

/// The count at an argument: negative, so many with repetitions; `with_scores`: of pairs.
pub(crate) fn count(ctx: &Context<'_>, at: usize, with_scores: bool) -> Result<i64, CommandError> {
    let count = ctx.integer(at)?;
    if count == i64::MIN {
        return Err(CommandError::other(format!(
            "value is out of range, value must between {} and {}",
            -i64::MAX,
            i64::MAX
        )));
    }
    let most = if with_scores { i64::MAX / 2 } else { i64::MAX };
    if !(-MOST_REPEATED..=most).contains(&count) {
        return Err(CommandError::other("value is out of range"));
    }
    Ok(count)
}

/// So many numbers below `len`: with repetitions if `count` is negative, else distinct ones, at most all.
pub(crate) fn numbers(len: usize, count: i64) -> Vec<usize> {
    let wanted = count.unsigned_abs() as usize;
    if count < 0 {
        return (0..wanted).map(|_| fastrand::usize(..len.max(1))).collect();
    }
    if wanted >= len {
        return (0..len).collect();
    }
    if wanted < len / 3 {
        // Few of many are drawn until they are distinct.
        let mut drawn = std::collections::HashSet::new();
        let mut numbers = Vec::with_capacity(wanted);
        while numbers.len() < wanted {
            let number = fastrand::usize(..len);
            if drawn.insert(number) {
                numbers.push(number);
            }
        }
        return numbers;
    }
    fastrand::choose_multiple(0..len, wanted)
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn draws_are_distinct_unless_repetitions_are_asked_for() {
        for count in [0, 1, 5, 40, 99, 100, 1_000] {
            let mut drawn = numbers(100, count);
            drawn.sort_unstable();
            drawn.dedup();
            assert_eq!(drawn.len(), count.min(100) as usize);
        }
        assert_eq!(numbers(100, -1_000).len(), 1_000);
    }
}

//! [`Numbers`]: a set of small numbers, a bit each.

use std::ops::Range;

#[derive(Default)]
pub(crate) struct Numbers {
    words: Vec<u64>,
}

impl Numbers {
    pub(crate) fn add(&mut self, number: u32) {
        let word = number as usize / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (number % 64);
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        let word = self.words.get(number as usize / 64);
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// In ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..self.words.len() as u32 * 64).filter(|number| self.contains(*number))
    }

    /// Those after the first `skipped` ones, as runs of neighbours, the highest first.
    pub(crate) fn runs(&self, skipped: usize) -> Vec<Range<u32>> {
        let mut runs: Vec<Range<u32>> = Vec::new();
        for number in self.iter().skip(skipped) {
            match runs.last_mut() {
                Some(run) if run.end == number => run.end += 1,
                _ => runs.push(number..number + 1),
            }
        }
        runs.reverse();
        runs
    }
}

#[cfg(all(test, not(any(stillpoint_loom, stillpoint_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_added_in_order_and_in_runs() {
        let mut numbers = Numbers::default();
        for number in [200, 3, 4, 63, 64, 65, 3] {
            numbers.add(number);
        }
        assert_eq!(numbers.iter().collect::<Vec<_>>(), [3, 4, 63, 64, 65, 200]);
        assert_eq!(numbers.runs(1), [200..201, 63..66, 4..5]);
        assert!(!numbers.contains(5) && !numbers.contains(1_000));
    }
}

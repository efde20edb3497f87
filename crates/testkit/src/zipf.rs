//! [`Zipf`]: which keys a cache's clients ask for: a few very often, most hardly ever, the popular ones scattered over the key space.

use crate::Random;

/// A sequence of key numbers whose popularity falls with rank^-exponent, drawn beforehand so that drawing costs nothing while one
/// measures: users walk the sequence from places of their own.
#[derive(Clone, Debug)]
pub struct Zipf {
    keys: Box<[u32]>,
}

impl Zipf {
    /// `draws` (rounded up to a power of two) key numbers in `0..keys`.
    ///
    /// # Panics
    /// When `keys` is 0.
    ///
    /// # Cost
    /// 4 bytes a draw; while it is made 12 bytes a key.
    pub fn new(keys: u32, exponent: f64, draws: usize, random: &mut Random) -> Self {
        assert!(keys > 0, "a distribution over {keys} keys");
        let mut sum = 0.0;
        let cumulative: Vec<f64> = (1..=keys)
            .map(|rank| {
                sum += f64::from(rank).powf(-exponent);
                sum
            })
            .collect();
        let mut key_of_rank: Vec<u32> = (0..keys).collect();
        for last in (1..keys as usize).rev() {
            key_of_rank.swap(last, random.below(last as u64 + 1) as usize);
        }
        let draw = |_| {
            let at = random.next_u64() as f64 / u64::MAX as f64 * sum;
            let rank = cumulative.partition_point(|&upto| upto < at).min(keys as usize - 1);
            key_of_rank[rank]
        };
        Zipf { keys: (0..draws.next_power_of_two()).map(draw).collect() }
    }

    /// The `position`-th draw; the sequence repeats itself.
    #[inline]
    pub fn key(&self, position: usize) -> u32 {
        self.keys[position & (self.keys.len() - 1)]
    }

    /// After how many draws the sequence repeats itself.
    pub fn period(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn popularity_falls_with_rank() {
        let zipf = Zipf::new(1000, 0.99, 1 << 17, &mut Random::new(1));
        let mut counts = vec![0u32; 1000];
        (0..zipf.period()).for_each(|i| counts[zipf.key(i) as usize] += 1);
        counts.sort_unstable_by(|a, b| b.cmp(a));
        // The harmonic sum of 1000 keys at 0.99 is about 7.7: the first rank has an eighth, the tenth about a ninth of that.
        let share = f64::from(counts[0]) / zipf.period() as f64;
        assert!((0.12..0.14).contains(&share), "{share}");
        let tenth = f64::from(counts[0]) / f64::from(counts[9]);
        assert!((8.0..11.5).contains(&tenth), "{tenth}");
    }
}

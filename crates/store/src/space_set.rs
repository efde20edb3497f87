//! [`SpaceSet`]: some of a store's key spaces.

use std::fmt;

const WORDS: usize = 4;

/// A set of key spaces, by number.
///
/// # Examples
/// ```
/// use stillpoint_store::{Config, SpaceSet};
///
/// let config = Config { ordered: SpaceSet::of(&[0, 3]), ..Config::default() };
/// assert!(config.ordered.contains(3) && !config.ordered.contains(1));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct SpaceSet([u64; WORDS]);

impl SpaceSet {
    /// No space.
    pub const NONE: SpaceSet = SpaceSet([0; WORDS]);
    /// All spaces.
    pub const ALL: SpaceSet = SpaceSet([u64::MAX; WORDS]);

    /// These spaces.
    pub const fn of(spaces: &[u8]) -> Self {
        let mut set = SpaceSet::NONE;
        let mut at = 0;
        while at < spaces.len() {
            set.0[spaces[at] as usize / 64] |= 1 << (spaces[at] % 64);
            at += 1;
        }
        set
    }

    /// Whether the space is one of them.
    pub const fn contains(&self, space: u8) -> bool {
        self.0[space as usize / 64] & 1 << (space % 64) != 0
    }
}

impl fmt::Debug for SpaceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries((0..=u8::MAX).filter(|space| self.contains(*space))).finish()
    }
}

#[cfg(all(test, not(stillpoint_loom)))]
mod tests {
    use super::SpaceSet;

    #[test]
    fn a_set_has_what_it_was_made_of() {
        let set = SpaceSet::of(&[0, 63, 64, 255]);
        let has: Vec<u8> = (0..=255).filter(|space| set.contains(*space)).collect();
        assert_eq!(has, [0, 63, 64, 255]);
        assert!((0..=255).all(|space| SpaceSet::ALL.contains(space)));
        assert_eq!(format!("{set:?}"), "{0, 63, 64, 255}");
    }
}

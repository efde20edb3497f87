//! [`Order`]: which slots of a node are published, in the order of their keys, in one word.
//!
//! ```text
//! bit 63      bits 56–59   bits 4p … 4p+3
//! frozen      len          the slot at position p, for p < len ≤ 14
//! ```
//! Transitions: a slot is inserted at a position (not when frozen); frozen is set, for ever. Nothing is ever taken out, so an order that
//! has been replaced does not come back.

/// Slots of a node.
pub(super) const CAPACITY: usize = 14;

const LEN_SHIFT: u32 = 56;
const SLOTS: u64 = (1 << LEN_SHIFT) - 1;
/// See [`Order::is_frozen`].
pub(super) const FROZEN: u64 = 1 << 63;

/// The word, as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order(pub(super) u64);

impl Order {
    #[inline(always)]
    pub(super) fn len(self) -> usize {
        (self.0 >> LEN_SHIFT) as usize & 15
    }

    /// No slot enters any more, and no link changes once it is frozen too.
    #[inline(always)]
    pub(super) fn is_frozen(self) -> bool {
        self.0 & FROZEN != 0
    }

    /// Whether both have the same slots.
    #[inline(always)]
    pub(super) fn same_slots(self, other: Order) -> bool {
        (self.0 ^ other.0) & !FROZEN == 0
    }

    /// The slot at a position.
    #[inline(always)]
    pub(super) fn slot(self, position: usize) -> usize {
        (self.0 >> (4 * position)) as usize & 15
    }

    /// With `slot` inserted at `position`.
    pub(super) fn with(self, position: usize, slot: usize) -> Order {
        let len = self.len();
        debug_assert!(!self.is_frozen() && position <= len && len < CAPACITY && slot < CAPACITY);
        let below = (1 << (4 * position)) - 1;
        let slots = self.0 & SLOTS;
        let slots = slots & below | (slots & !below) << 4 | (slot as u64) << (4 * position);
        Order(slots & SLOTS | (len as u64 + 1) << LEN_SHIFT)
    }

    /// How many positions from the first `is_before` holds for; it holds for a prefix.
    #[inline(always)]
    pub(super) fn partition(self, mut is_before: impl FnMut(usize) -> bool) -> usize {
        let (mut low, mut len) = (0, self.len());
        while len > 0 {
            let half = len / 2;
            let before = is_before(self.slot(low + half));
            low = if before { low + half + 1 } else { low };
            len = if before { len - half - 1 } else { half };
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::{CAPACITY, FROZEN, Order};

    #[test]
    fn slots_go_where_they_are_put() {
        let mut order = Order(0);
        let mut expected = Vec::new();
        for slot in 0..CAPACITY {
            let position = slot * 5 % (slot + 1);
            order = order.with(position, slot);
            expected.insert(position, slot);
            let slots: Vec<usize> = (0..order.len()).map(|p| order.slot(p)).collect();
            assert_eq!(slots, expected);
        }
        assert!(!order.is_frozen() && Order(order.0 | FROZEN).is_frozen());
        assert!(order.same_slots(Order(order.0 | FROZEN)));
    }

    #[test]
    fn partition_finds_the_end_of_the_prefix() {
        let mut order = Order(0);
        for len in 0..=CAPACITY {
            for end in 0..=len {
                assert_eq!(order.partition(|slot| slot < end), end);
            }
            if len < CAPACITY {
                order = order.with(len, len);
            }
        }
    }
}

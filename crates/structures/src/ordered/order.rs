//! [`Order`]: which slots of a leaf hold an entry, in the order of their keys, in one word.
//!
//! ```text
//! bit 63     bits 56–59   bits 52–55   bits 4p … 4p+3
//! replaced   used         len          the slot at position p, for p < len ≤ 13
//! ```
//! | transition | by whom |
//! |---|---|
//! | slot `used` inserted at a position; `len`, `used` + 1 | who holds the leaf's lock |
//! | the slot at a position taken out; `len` − 1 | the same |
//! | `replaced` set, for ever | the same |
//!
//! A slot is used once, and `used` never falls: with as many slots used, slots are only taken out. So a word that has been left does not come back,
//! and whoever finds the word that it has read before knows that nothing has been put in or taken out in between.

/// Slots of a leaf.
pub(super) const CAPACITY: usize =
    if cfg!(any(stillpoint_loom, stillpoint_shuttle)) { 3 } else { 13 };

const LEN_SHIFT: u32 = 52;
const USED_SHIFT: u32 = 56;
const SLOTS: u64 = (1 << LEN_SHIFT) - 1;
const REPLACED: u64 = 1 << 63;

const _: () = assert!(CAPACITY * 4 <= LEN_SHIFT as usize, "slots below the length");

/// The word, as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order(pub(super) u64);

impl Order {
    #[inline(always)]
    pub(super) fn len(self) -> usize {
        (self.0 >> LEN_SHIFT) as usize & 15
    }

    /// How many slots have been used, which is the next free one.
    #[inline(always)]
    pub(super) fn used(self) -> usize {
        (self.0 >> USED_SHIFT) as usize & 15
    }

    /// Whether another leaf has taken this one's place: nothing changes here any more.
    #[inline(always)]
    pub(super) fn is_replaced(self) -> bool {
        self.0 & REPLACED != 0
    }

    pub(super) fn replaced(self) -> Order {
        Order(self.0 | REPLACED)
    }

    /// The slot at a position.
    #[inline(always)]
    pub(super) fn slot(self, position: usize) -> usize {
        (self.0 >> (4 * position)) as usize & 15
    }

    /// Whether a slot is in it.
    pub(super) fn names(self, slot: usize) -> bool {
        (0..self.len()).any(|position| self.slot(position) == slot)
    }

    /// Whether slots have been put in from the first to the last, each behind the others.
    pub(super) fn is_ascending(self) -> bool {
        (1..self.len()).all(|position| self.slot(position - 1) < self.slot(position))
    }

    /// With the next free slot at `position`.
    pub(super) fn with(self, position: usize) -> Order {
        let (len, used) = (self.len(), self.used());
        debug_assert!(!self.is_replaced() && position <= len && used < CAPACITY, "{self:?}");
        let below = (1 << (4 * position)) - 1;
        let slots = self.0 & SLOTS;
        let slots = slots & below | (slots & !below) << 4 | (used as u64) << (4 * position);
        Order::of(slots, len + 1, used + 1)
    }

    /// Without the slot at `position`.
    pub(super) fn without(self, position: usize) -> Order {
        let len = self.len();
        debug_assert!(!self.is_replaced() && position < len, "{self:?}");
        let below = (1 << (4 * position)) - 1;
        let slots = self.0 & SLOTS;
        Order::of(slots & below | slots >> 4 & !below, len - 1, self.used())
    }

    fn of(slots: u64, len: usize, used: usize) -> Order {
        // Past the last slot all is 0, so that words are equal when slots are.
        let slots = slots & ((1 << (4 * len)) - 1);
        Order(slots | (len as u64) << LEN_SHIFT | (used as u64) << USED_SHIFT)
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

#[cfg(all(test, not(any(stillpoint_loom, stillpoint_shuttle))))]
mod tests {
    use super::{CAPACITY, Order};
    use stillpoint_testkit::Random;

    /// Slots 0 to `len`, in this order.
    fn first(len: usize) -> Order {
        (0..len).fold(Order(0), |order, position| order.with(position))
    }

    fn slots(order: Order) -> Vec<usize> {
        (0..order.len()).map(|position| order.slot(position)).collect()
    }

    #[test]
    fn does_as_a_vector_does() {
        for seed in 0..200 {
            let (mut random, mut order, mut expected) = (Random::new(seed), Order(0), Vec::new());
            let mut seen = vec![order];
            while order.used() < CAPACITY || order.len() > 0 {
                let at = random.below(expected.len() as u64 + 1) as usize;
                if order.used() < CAPACITY && random.percent(60) {
                    expected.insert(at, order.used());
                    order = order.with(at);
                } else if at < expected.len() {
                    let slot = expected.remove(at);
                    order = order.without(at);
                    assert!(!order.names(slot));
                } else {
                    continue;
                }
                assert_eq!(slots(order), expected);
                assert!(expected.iter().all(|&slot| order.names(slot)));
                assert_eq!(order.is_ascending(), expected.is_sorted());
                assert!(!seen.contains(&order), "a word came back");
                seen.push(order);
                assert!(order.replaced().is_replaced() && slots(order.replaced()) == expected);
            }
        }
    }

    #[test]
    fn partition_finds_the_end_of_the_prefix() {
        for len in 0..=CAPACITY {
            for end in 0..=len {
                assert_eq!(first(len).partition(|slot| slot < end), end);
            }
        }
    }
}

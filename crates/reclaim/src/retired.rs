//! [`Retired`]: a node that has been handed over, on its way to being reclaimed.

use crate::epoch::Epoch;
use crate::node::Header;
use crate::rc::release;
use stillpoint_primitive::contain;

/// When a node was born, or where that is written: a retirement then need not wait for the node's line, and most nodes are
/// reclaimed without anybody asking.
///
/// | low bits | the rest |
/// |---|---|
/// | 1 | the epoch, shifted by one |
/// | 00 | the address of a [`Header`] with the birth |
/// | 10 | the address of a [`Header`] with a count of references, of which one is given up; birth 0 |
#[derive(Clone, Copy)]
pub(crate) struct Birth(*const Header);

impl Birth {
    /// # Safety
    /// The header stays where it is, unchanged, until the node is reclaimed.
    pub(crate) unsafe fn at(header: *const Header) -> Birth {
        Birth(header)
    }

    /// # Safety
    /// The header stays where it is until the node is reclaimed; it holds a count, and one reference is the collector's to give up.
    pub(crate) unsafe fn counted(header: *const Header) -> Birth {
        Birth(header.map_addr(|addr| addr | COUNTED))
    }

    pub(crate) fn of(epoch: Epoch) -> Birth {
        // An epoch never comes near 2^63.
        Birth(core::ptr::without_provenance((epoch.get() << 1 | 1) as usize))
    }

    #[inline]
    pub(crate) fn get(self) -> u64 {
        let word = self.0.addr();
        if word & 1 == 1 {
            return word as u64 >> 1;
        }
        if self.is_counted() {
            return 0;
        }
        // SAFETY: the promise of `at`; who asks holds a node that has not been reclaimed.
        unsafe { &*self.0 }.birth().get()
    }

    /// The same, so that no header has to be read to know it; a counted one keeps its header, which its end needs.
    #[inline]
    pub(crate) fn at_hand(self) -> Birth {
        if self.is_counted() { self } else { Birth::of(Epoch::from_raw(self.get())) }
    }

    #[inline]
    fn is_counted(self) -> bool {
        self.0.addr() & (COUNTED | 1) == COUNTED
    }

    /// Gives up the node's reference, if it is counted; whether nobody has another.
    #[inline]
    fn is_last(self) -> bool {
        if !self.is_counted() {
            return true;
        }
        let header = self.0.wrapping_byte_sub(self.0.addr() & COUNTED);
        // SAFETY: the promise of `counted`.
        release(unsafe { &*header }.word())
    }
}

/// The mark of a counted header's address.
const COUNTED: usize = 2;

const _: () = assert!(align_of::<Header>() > COUNTED, "an address leaves the mark free");
const _: () = assert!(usize::BITS == 64, "a birth is a word");

/// One retired node: where it is, how it is freed, when it was born.
#[derive(Clone, Copy)]
pub(crate) struct Retired {
    pub(crate) ptr: *mut u8,
    pub(crate) reclaim: unsafe fn(*mut u8),
    pub(crate) birth: Birth,
    pub(crate) bytes: usize,
}

// SAFETY: whoever retires a node hands it over for good and promises that it may be reclaimed on any thread.
unsafe impl Send for Retired {}

impl Retired {
    /// Frees the node. A panic in a destructor is contained: the node counts as reclaimed, the others go on.
    ///
    /// # Safety
    /// Nobody can reach the node any more, and this is the only call for it.
    pub(crate) unsafe fn reclaim(self) {
        if self.birth.is_last() {
            // SAFETY: the caller's promise, passed on to the reclaimer that came with the node.
            contain(|| unsafe { (self.reclaim)(self.ptr) });
        }
    }
}

/// How many there are, and their bytes.
pub(crate) fn size<'a>(nodes: impl Iterator<Item = &'a Retired>) -> (u64, u64) {
    nodes.fold((0, 0), |(count, bytes), node| (count + 1, bytes + node.bytes as u64))
}

//! [`Pages`]: bytes of a long reply that has been written already, in pages: a loop that sends it neither moves nor frees megabytes at a time.

use super::piece::Piece;
use super::streamed::Source;

/// The largest page.
const PAGE_BYTES: usize = 64 * 1024;

/// What is still to be sent.
pub(super) struct Pages {
    pages: std::vec::IntoIter<Box<[u8]>>,
    left_bytes: usize,
}

impl Pages {
    /// Copies the bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let pages: Vec<_> = bytes.chunks(PAGE_BYTES).map(Box::from).collect();
        Pages { pages: pages.into_iter(), left_bytes: bytes.len() }
    }
}

impl Source for Pages {
    fn write(&mut self, piece: &mut Piece<'_>) -> bool {
        while piece.has_room()
            && let Some(page) = self.pages.next()
        {
            piece.page(&page);
            self.left_bytes -= page.len();
        }
        self.left_bytes > 0
    }

    fn rest_bytes(&self) -> usize {
        self.left_bytes
    }

    fn own_bytes(&self) -> usize {
        self.left_bytes
    }
}

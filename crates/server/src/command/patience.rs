//! [`Patience`]: how much a command may do on its event loop, which others wait for.
//!
//! ```text
//! handler knows how many steps are ahead ── few ─────────────────▶ takes them
//!                                        └─ many, on a loop ──▶ CommandError::Elsewhere ──▶ the connection goes to the workshop,
//!                                                                                         where the request runs from its beginning
//! ```
//! A *step* is an element looked at or copied, about 50 ns. Asked before anything is written, so that nothing has to be taken back.

use super::{CommandError, Context, Outcome};
use crate::session::Mobility;

/// Steps that a loop's other connections may be asked to wait for: about as long as it takes to hand the connection over and back.
const MOST: usize = 2048;

/// Bytes that are read or copied as fast as one step is taken.
pub(crate) const BYTES_A_STEP: usize = 512;

/// Whether the running command may do much where it is.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    is_short: bool,
}

impl Patience {
    /// Fails, for the command to be run elsewhere, if so many steps are too many here.
    ///
    /// # Errors
    /// [`CommandError::Elsewhere`], which a handler passes on.
    #[inline]
    pub(crate) fn bear(self, steps: usize) -> Outcome {
        if self.is_short && steps > MOST { Err(CommandError::Elsewhere) } else { Ok(()) }
    }

    /// How many of something need be gathered to know whether there are too many of them here.
    #[inline]
    pub(crate) fn enough(self) -> usize {
        if self.is_short { MOST + 1 } else { usize::MAX }
    }
}

impl Context<'_> {
    /// What may be done here.
    #[inline]
    pub(crate) fn patience(&self) -> Patience {
        Patience { is_short: self.session.mobility == Mobility::MayMove }
    }
}

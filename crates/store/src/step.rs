//! [`Step`]: the points of the protocol at which a test may stop a thread.
//!
//! ```text
//!  a lease            LeaseAnnounced                                            announced, the timestamp not taken yet
//!  a write of one     Unstamped ─▶ Stamped                                      installed without a stamp; stamped, the old versions not looked after
//!  a commit of many   Installed(1) … Installed(n) ─▶ Prepared ─▶ Fixed ─▶ Validated ─▶ Decided ─▶ Finished
//!                                                               └── helpers too ──┘
//!  a stream           Announced, before the first install; Publishing ─▶ Published, after Stamped or Decided
//! ```
//! Built only with the feature `steps`, which this crate's own tests switch on; without it every step is nothing at all.

use crate::engine::Engine;

/// A point inside the protocol, passed by the thread that runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(not(feature = "steps"), allow(unreachable_pub, reason = "only tests can name it"))]
pub enum Step {
    /// A snapshot's or transaction's lease is announced; its timestamp is not taken yet.
    LeaseAnnounced,
    /// A version of a write of one key is installed, without a stamp.
    Unstamped,
    /// It is stamped; what it superseded is not looked after yet.
    Stamped,
    /// So many versions of a commit are installed.
    Installed(usize),
    /// All are; the commit can be decided by anybody, and has no timestamp.
    Prepared,
    /// The timestamp is fixed (by the owner or a helper).
    Fixed,
    /// The reads were looked at, the verdict is not proposed yet (by the owner or a helper).
    Validated,
    /// There is a verdict; the versions do not bear their final stamps.
    Decided,
    /// They do; what they superseded is not looked after yet.
    Finished,
    /// The stream knows that a write is coming; nothing is installed.
    Announced,
    /// The write is committed; its thread holds its own buffer of the stream, and has recorded nothing.
    Publishing,
    /// It is recorded, and the announcement not withdrawn.
    Published,
}

/// What tests put into a store.
#[cfg(feature = "steps")]
#[derive(Default)]
pub(crate) struct Hook(std::sync::OnceLock<Box<dyn Fn(Step) + Send + Sync>>);

impl<O: Send + Sync + 'static> Engine<O> {
    /// Lets a test do something at this point.
    #[inline(always)]
    pub(crate) fn at_step(&self, step: Step) {
        #[cfg(feature = "steps")]
        if let Some(hook) = self.hook.0.get() {
            hook(step);
        }
        let _ = step;
    }
}

#[cfg(feature = "steps")]
impl<O: Send + Sync + 'static> crate::Store<O> {
    /// Calls `hook` at each step of each thread from now on.
    ///
    /// # Panics
    /// If the store has a hook already.
    #[doc(hidden)]
    pub fn on_step(&self, hook: impl Fn(Step) + Send + Sync + 'static) {
        assert!(self.engine.hook.0.set(Box::new(hook)).is_ok(), "one hook a store");
    }
}

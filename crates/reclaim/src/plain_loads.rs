//! What schemes have in common whose guards protect whatever is loaded while they last: [`plain_loads`]; and those of them that are leased epochs
//! with a lease that never ends: [`engine_scheme`] and [`engine_guard`].

/// The three guarded loads of [`Protect`](crate::Protect), each an Acquire load and nothing else.
macro_rules! plain_loads {
    () => {
        #[inline(always)]
        fn protect_root<'g, T>(
            &'g self,
            _slot: usize,
            src: &$crate::Atomic<T>,
        ) -> Result<$crate::Shared<'g, T>, $crate::Restart> {
            Ok(src.load_acquire())
        }

        #[inline(always)]
        fn protect<'g, T>(
            &'g self,
            _slot: usize,
            src: &$crate::Atomic<T>,
        ) -> Result<$crate::Shared<'g, T>, $crate::Restart> {
            Ok(src.load_acquire())
        }

        #[inline(always)]
        fn confirm<'g, T>(
            &'g self,
            _slot: usize,
            found: $crate::Unprotected<T>,
            _src: &$crate::Atomic<T>,
        ) -> Result<$crate::Shared<'g, T>, $crate::Restart> {
            Ok(found.assume_protected())
        }

        fn renew(&self) -> Result<(), $crate::Restart> {
            Ok(())
        }
    };
}

/// [`Scheme`](crate::Scheme) for a collector with an `engine`, whose guard is `Guard(engine's)`.
macro_rules! engine_scheme {
    ($name:literal) => {
        const NAME: &'static str = $name;
        const ROBUST: bool = false;
        const NEEDS_BIRTH: bool = false;
        const PER_POINTER: bool = false;
        const SLOTS: usize = usize::MAX;
        const FROZEN_LINKS_OK: bool = true;

        type Guard<'c> = Guard<'c>;

        #[inline(always)]
        fn pin(&self) -> Guard<'_> {
            Guard(self.engine.pin())
        }

        #[inline(always)]
        fn owns(&self, guard: &Guard<'_>) -> bool {
            guard.0.is_from(&self.engine)
        }

        fn flush(&self) {
            self.engine.flush();
        }

        fn unreclaimed(&self) -> u64 {
            self.engine.stats().unreclaimed
        }
    };
}

/// The rest of [`Protect`](crate::Protect) for such a guard.
macro_rules! engine_guard {
    () => {
        fn nested(&self) -> Self {
            Guard(self.0.nested())
        }

        fn repin(&mut self) {
            let renewed = self.0.repin();
            debug_assert!(renewed, "a guard without a cap can always go on");
        }
    };
}

pub(crate) use {engine_guard, engine_scheme, plain_loads};

//! [`plain_loads`]: the loads of schemes whose guards protect whatever is loaded while they last.

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

pub(crate) use plain_loads;

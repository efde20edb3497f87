//! [`container!`](container): what stacks and queues have in common beside their algorithm.

/// The constructors and conversions of `$name<T, S, A>` (a `$what` made of `$parts`), which has `new`, `in_alloc`, `push`, and the fields
/// `scheme` and `mutation`.
macro_rules! container {
    ($name:ident, $what:literal, $parts:literal) => {
        impl<T, S: Scheme> $name<T, S> {
            #[doc = concat!("An empty ", $what, " whose ", $parts, " `scheme` reclaims.")]
            pub fn with_scheme(scheme: S) -> Self {
                $name::in_alloc(scheme, Heap)
            }
        }

        impl<T, S: Scheme, A: NodeAlloc> $name<T, S, A> {
            /// The same with something left out.
            #[cfg(any(stillpoint_loom, stillpoint_shuttle))]
            #[doc(hidden)]
            pub fn weakened(mut self, mutation: crate::weakened::Weakened) -> Self {
                self.mutation = mutation;
                self
            }

            /// A guard for the `_with` operations: several under one guard save the pin.
            ///
            /// # Progress
            /// Wait-free.
            #[inline]
            pub fn pin(&self) -> S::Guard<'_> {
                self.scheme.pin()
            }

            #[doc = concat!("The scheme that reclaims its ", $parts, ".")]
            pub fn scheme(&self) -> &S {
                &self.scheme
            }

            #[inline(always)]
            fn check(&self, guard: &S::Guard<'_>) {
                const OTHER: &str = concat!("the guard is of another collector than the ", $what);
                assert!(self.scheme.owns(guard), "{OTHER}");
            }
        }

        impl<T> Default for $name<T> {
            fn default() -> Self {
                $name::new()
            }
        }

        impl<T> FromIterator<T> for $name<T> {
            fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
                let mut made = $name::new();
                made.extend(values);
                made
            }
        }

        impl<T, S: Scheme, A: NodeAlloc> Extend<T> for $name<T, S, A> {
            fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
                values.into_iter().for_each(|value| self.push(value));
            }
        }
    };
}

pub(crate) use container;

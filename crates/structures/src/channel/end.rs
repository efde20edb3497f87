//! [`end!`](end): what both ends of a channel have in common.

/// The figures, clones and the end of `$name`, of whose like the core counts how many there are; `$gone` is said of the `$others`' line.
macro_rules! end {
    ($name:ident, $add:ident, $remove:ident, $others:ident, $gone:literal) => {
        impl<T, S: Scheme, A: NodeAlloc> $name<T, S, A> {
            /// How many values are in the channel, at about this moment.
            pub fn len(&self) -> usize {
                self.core.len()
            }

            /// Whether nothing is in the channel at this moment.
            pub fn is_empty(&self) -> bool {
                self.core.is_empty()
            }

            /// Whether there is no room at this moment; never, in an unbounded channel.
            pub fn is_full(&self) -> bool {
                self.core.is_full()
            }

            /// How many values fit; `None` when unbounded.
            pub fn capacity(&self) -> Option<usize> {
                self.core.capacity()
            }

            #[doc = $gone]
            pub fn is_disconnected(&self) -> bool {
                self.core.$others.is_closed()
            }

            /// Whether both are ends of one channel.
            pub fn same_channel(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.core, &other.core)
            }
        }

        impl<T, S: Scheme, A: NodeAlloc> Clone for $name<T, S, A> {
            fn clone(&self) -> Self {
                self.core.$add();
                $name { core: self.core.clone() }
            }
        }

        impl<T, S: Scheme, A: NodeAlloc> Drop for $name<T, S, A> {
            fn drop(&mut self) {
                self.core.$remove();
            }
        }

        impl<T, S: Scheme, A: NodeAlloc> fmt::Debug for $name<T, S, A> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("len", &self.len()).finish_non_exhaustive()
            }
        }
    };
}

pub(super) use end;

//! [`drop_all`]: drops the values that are left in a structure, whatever their destructors do.

/// Drops everything that `values` gives. When a destructor panics, the others still run, and the panic goes on.
pub(crate) fn drop_all(mut values: impl Iterator) {
    struct Rest<'a, I: Iterator>(&'a mut I);
    impl<I: Iterator> Drop for Rest<'_, I> {
        fn drop(&mut self) {
            self.0.for_each(drop);
        }
    }
    while let Some(value) = values.next() {
        let rest = Rest(&mut values);
        drop(value);
        std::mem::forget(rest);
    }
}

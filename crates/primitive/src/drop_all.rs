//! [`drop_all`]: the end of a structure, whatever the destructors of its values do.

/// Drops everything that `values` gives. When a destructor panics, the others still run, and the panic goes on. (A second one ends the
/// program, as when a `Vec` is dropped.)
pub fn drop_all(mut values: impl Iterator) {
    struct Rest<'a, I: Iterator>(&'a mut I);
    impl<I: Iterator> Drop for Rest<'_, I> {
        fn drop(&mut self) {
            self.0.for_each(drop);
        }
    }
    while let Some(value) = values.next() {
        let rest = Rest(&mut values);
        drop(value);
        core::mem::forget(rest);
    }
}

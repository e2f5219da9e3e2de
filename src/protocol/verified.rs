//! The proof that something was checked.

/// A value whose signature, claims and policy were checked. Only this module's parent can make one.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Wraps a value that has just been checked; only admission calls this.
    pub(in crate::protocol) const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn get(&self) -> &T {
        &self.0
    }
}

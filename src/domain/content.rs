//! Bytes of a job or of its output.

use std::fmt;

use bytes::Bytes;

/// Bytes that are not ours to read: source code, input, output. `Debug` shows their number only, so that they cannot
/// reach a log by accident. A clone shares them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content(Bytes);

impl Content {
    /// Takes the bytes as they are.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Bytes::from(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes these are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same bytes, shared.
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// The first so many bytes, as a copy: one that shared them would keep all of them in memory.
    #[must_use]
    pub fn prefix(&self, bytes: usize) -> Self {
        self.0.get(..bytes).map_or_else(|| self.clone(), |prefix| Self(Bytes::copy_from_slice(prefix)))
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.0.len())
    }
}

//! The runner's one clock.

/// Monotonic time; it keeps running while the program is stopped and nobody can set it.
#[expect(clippy::disallowed_types, reason = "the ban is for code under tokio's clock; the runner has no tokio")]
pub(crate) type Instant = std::time::Instant;

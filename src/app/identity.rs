//! What tells this life of this worker from every other.

use std::time::{SystemTime, UNIX_EPOCH};

/// The start of the process, in a form that fits names and labels. Two lives of one worker never share it: a random part
/// covers a clock that was set back.
///
/// # Errors
/// When the kernel has no random numbers.
pub fn epoch() -> std::io::Result<String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let random = getrandom::u32().map_err(std::io::Error::other)?;
    Ok(format!("{since:x}-{random:08x}"))
}

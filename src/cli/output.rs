//! Writing to stdout and stderr, where a reader that has gone away is no error of ours.

use std::io::{self, Write};

/// Writes to stdout.
///
/// # Errors
/// What the system says, except that nobody reads.
pub fn out(bytes: &[u8]) -> io::Result<()> {
    write(&mut io::stdout().lock(), bytes)
}

/// Writes a line to stdout.
///
/// # Errors
/// What the system says, except that nobody reads.
pub fn out_line(line: &str) -> io::Result<()> {
    out(format!("{line}\n").as_bytes())
}

/// Writes to stderr. There is nowhere to tell that it failed.
pub fn err(text: &str) {
    write(&mut io::stderr().lock(), text.as_bytes()).unwrap_or_default();
}

/// Writes bytes; a closed pipe counts as written.
///
/// # Errors
/// Any other that the writer has.
pub fn write(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    match to.write_all(bytes).and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed(io::ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        assert!(write(&mut Closed(io::ErrorKind::BrokenPipe), b"x").is_ok());
        assert!(write(&mut Closed(io::ErrorKind::StorageFull), b"x").is_err());
    }
}

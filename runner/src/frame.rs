//! Frames: one byte of kind, four bytes of length (big endian), then that many bytes of payload.

use std::fmt;
use std::io::{self, Read, Write};

/// Bytes before a payload.
pub const HEADER_BYTES: usize = 5;

/// The largest payload of a data frame (`Tar`, `Stdin`, `Stdout`, `Stderr`, `Report`).
pub const DATA_BYTES_MAX: usize = 65_536;

/// The largest payload of a control frame, which carries JSON. Arguments and environment are the bulk of it.
pub const CONTROL_BYTES_MAX: usize = 4 * 1_048_576;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $max:expr;)*) => {
        /// What a frame carries.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $name = $code),* }

        impl Kind {
            /// The kind with this code.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The code on the wire.
            pub const fn code(self) -> u8 {
                match self { $(Self::$name => $code),* }
            }

            /// The largest payload a frame of this kind may have, in bytes.
            pub const fn payload_bytes_max(self) -> usize {
                match self { $(Self::$name => $max),* }
            }
        }
    };
}

kinds! {
    /// To the runner: a [`crate::message::Start`] as JSON.
    Start = 1, CONTROL_BYTES_MAX;
    /// To the runner: bytes of the job's tar; an empty one ends it.
    Tar = 2, DATA_BYTES_MAX;
    /// To the runner: bytes for the program's stdin; an empty one closes it.
    Stdin = 3, DATA_BYTES_MAX;
    /// To the runner: end the running program; the run ends with [`crate::message::Cause::Cancelled`].
    Cancel = 4, 0;
    /// To the runner, between runs: say what is in the job's folder; a [`crate::message::List`] as JSON.
    List = 5, CONTROL_BYTES_MAX;
    /// To the runner, between runs: send this file; its path below the job's folder, as bytes.
    Fetch = 6, DATA_BYTES_MAX;
    /// To the runner, before the first run: start a warm interpreter; a [`crate::message::Warm`] as JSON.
    Warm = 7, CONTROL_BYTES_MAX;
    /// To the runner, between runs: remove whatever the last one left, and show that the sandbox is as it was before the
    /// first; empty. What cannot be shown is a fault.
    Reset = 8, 0;
    /// From the runner: a [`crate::message::Ready`] as JSON.
    Ready = 16, CONTROL_BYTES_MAX;
    /// From the runner: bytes that the program wrote to stdout, within its limit.
    Stdout = 17, DATA_BYTES_MAX;
    /// From the runner: bytes that the program wrote to stderr, within its limit.
    Stderr = 18, DATA_BYTES_MAX;
    /// From the runner: bytes that the test driver wrote into the report pipe.
    Report = 19, DATA_BYTES_MAX;
    /// From the runner: this many more bytes of stdin may be sent (`u32`, big endian).
    StdinCredit = 20, 4;
    /// From the runner: the program was executed; empty.
    Started = 21, 0;
    /// From the runner: a [`crate::message::Ended`] as JSON.
    Ended = 22, CONTROL_BYTES_MAX;
    /// From the runner: a [`crate::message::Fault`] as JSON; the sandbox is unusable.
    Fault = 23, CONTROL_BYTES_MAX;
    /// From the runner: entries of the job's folder, as [`crate::listing`] writes them; an entry never spans two frames.
    Listing = 24, DATA_BYTES_MAX;
    /// From the runner: the end of a listing; a [`crate::message::Listed`] as JSON.
    Listed = 25, CONTROL_BYTES_MAX;
    /// From the runner: bytes of the file that was asked for.
    File = 26, DATA_BYTES_MAX;
    /// From the runner: the end of the file; a [`crate::message::FileEnd`] as JSON.
    FileEnd = 27, CONTROL_BYTES_MAX;
    /// From the runner: what came of a warm interpreter; a [`crate::message::Warmed`] as JSON.
    Warmed = 28, CONTROL_BYTES_MAX;
    /// From the runner: the sandbox is as it was; empty.
    Emptied = 29, 0;
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// No kind has this code.
    UnknownKind(u8),
    /// The length is above what the kind may carry.
    TooLong {
        /// The kind of the frame.
        kind: Kind,
        /// The length in its header.
        length: u32,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind(code) => write!(f, "no frame kind has the code {code}"),
            Self::TooLong { kind, length } => {
                write!(f, "a {kind:?} frame of {length} bytes is too long")
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// The header of a frame with a payload of `length` bytes.
///
/// # Errors
/// [`FrameError::TooLong`] when the kind may not carry that much.
pub fn encode_header(kind: Kind, length: usize) -> Result<[u8; HEADER_BYTES], FrameError> {
    let wire = u32::try_from(length).unwrap_or(u32::MAX);
    if length > kind.payload_bytes_max() {
        return Err(FrameError::TooLong { kind, length: wire });
    }
    let [a, b, c, d] = wire.to_be_bytes();
    Ok([kind.code(), a, b, c, d])
}

/// Kind and payload length from a header.
///
/// # Errors
/// [`FrameError`] when the header is none of ours.
pub fn decode_header(header: [u8; HEADER_BYTES]) -> Result<(Kind, usize), FrameError> {
    let [code, a, b, c, d] = header;
    let kind = Kind::from_code(code).ok_or(FrameError::UnknownKind(code))?;
    let length = u32::from_be_bytes([a, b, c, d]);
    match usize::try_from(length) {
        Ok(fits) if fits <= kind.payload_bytes_max() => Ok((kind, fits)),
        _ => Err(FrameError::TooLong { kind, length }),
    }
}

/// Writes one frame, header and payload.
///
/// # Errors
/// What the writer says, or [`io::ErrorKind::InvalidInput`] for a payload that is too long.
pub fn write_frame(writer: &mut impl Write, kind: Kind, payload: &[u8]) -> io::Result<()> {
    let header =
        encode_header(kind, payload.len()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    writer.write_all(&header)?;
    writer.write_all(payload)
}

/// Reads one frame; `None` at a clean end of file, before the first byte of a header.
///
/// # Errors
/// What the reader says, [`io::ErrorKind::UnexpectedEof`] inside a frame, [`io::ErrorKind::InvalidData`] for a header
/// that is none of ours.
pub fn read_frame(reader: &mut impl Read) -> io::Result<Option<(Kind, Vec<u8>)>> {
    let mut header = [0_u8; HEADER_BYTES];
    let (first, rest) = header.split_at_mut(1);
    loop {
        match reader.read(first) {
            Ok(0) => return Ok(None),
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    reader.read_exact(rest)?;
    let (kind, length) = decode_header(header).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload)?;
    Ok(Some((kind, payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_was_written_is_read_back() {
        let mut wire = Vec::new();
        write_frame(&mut wire, Kind::Stdout, b"a\0b").unwrap();
        write_frame(&mut wire, Kind::Started, b"").unwrap();
        let mut reader = wire.as_slice();
        assert_eq!(read_frame(&mut reader).unwrap(), Some((Kind::Stdout, b"a\0b".to_vec())));
        assert_eq!(read_frame(&mut reader).unwrap(), Some((Kind::Started, Vec::new())));
        assert_eq!(read_frame(&mut reader).unwrap(), None);
    }

    #[test]
    fn every_kind_has_a_code_of_its_own() {
        let known: Vec<Kind> = (0..=u8::MAX).filter_map(Kind::from_code).collect();
        assert_eq!(known.len(), 22);
        for kind in known {
            assert_eq!(Kind::from_code(kind.code()), Some(kind));
        }
    }

    #[test]
    fn an_unknown_kind_and_a_length_above_the_bound_are_refused_before_anything_is_allocated() {
        assert_eq!(decode_header([0, 0, 0, 0, 0]), Err(FrameError::UnknownKind(0)));
        let too_long = decode_header([Kind::Stdout.code(), 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(too_long, Err(FrameError::TooLong { kind: Kind::Stdout, length: u32::MAX }));
        assert!(encode_header(Kind::Cancel, 1).is_err());
    }

    #[test]
    fn a_frame_cut_short_is_an_error_and_not_an_end() {
        let mut wire = Vec::new();
        write_frame(&mut wire, Kind::Stdin, b"abc").unwrap();
        for cut in 1..wire.len() {
            let mut reader = &wire[..cut];
            assert_eq!(read_frame(&mut reader).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}

//! Frames from bytes that come in any pieces.

use tester_runner::frame::{DATA_BYTES_MAX, FrameError, HEADER_BYTES, Kind, decode_header};

/// Puts frames together. It holds one payload at a time.
pub(crate) struct Parser {
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    /// Kind and payload length, once the header is complete.
    frame: Option<(Kind, usize)>,
    payload: Vec<u8>,
    /// The payload was handed out and goes with the next byte.
    handed_out: bool,
}

impl Parser {
    /// A parser that needs no more memory for data frames.
    pub(crate) fn new() -> Self {
        let mut payload = super::input::resident(DATA_BYTES_MAX);
        payload.clear();
        Self { header: [0; HEADER_BYTES], header_bytes: 0, frame: None, payload, handed_out: false }
    }

    /// Takes bytes up to the end of a frame: how many, and the frame's kind when it is complete.
    ///
    /// # Errors
    /// [`FrameError`] as soon as a header is none of ours.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Result<(usize, Option<Kind>), FrameError> {
        if self.handed_out {
            self.payload.clear();
            self.handed_out = false;
        }
        let (from_header, input) = self.feed_header(input)?;
        let Some((kind, length)) = self.frame else { return Ok((from_header, None)) };
        let (taken, _) = input.split_at(input.len().min(length - self.payload.len()));
        self.payload.extend_from_slice(taken);
        let consumed = from_header + taken.len();
        if self.payload.len() < length {
            return Ok((consumed, None));
        }
        self.header_bytes = 0;
        self.frame = None;
        self.handed_out = true;
        Ok((consumed, Some(kind)))
    }

    /// The payload of the frame that was completed last, until more is fed.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Gives back what a large control frame took.
    pub(crate) fn shrink(&mut self) {
        self.payload.clear();
        self.payload.shrink_to(DATA_BYTES_MAX);
    }

    fn feed_header<'input>(&mut self, input: &'input [u8]) -> Result<(usize, &'input [u8]), FrameError> {
        if self.frame.is_some() {
            return Ok((0, input));
        }
        let (taken, rest) = input.split_at(input.len().min(HEADER_BYTES - self.header_bytes));
        for (to, from) in self.header.iter_mut().skip(self.header_bytes).zip(taken) {
            *to = *from;
        }
        self.header_bytes += taken.len();
        if self.header_bytes == HEADER_BYTES {
            self.frame = Some(decode_header(self.header)?);
        }
        Ok((taken.len(), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tester_runner::frame::write_frame;

    /// Deterministic numbers; the same failure comes back with the same seed.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, below: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % u64::try_from(below).unwrap()).unwrap()
        }
    }

    fn parse(wire: &[u8], mut piece: impl FnMut() -> usize) -> Vec<(Kind, Vec<u8>)> {
        let (mut parser, mut frames, mut rest) = (Parser::new(), Vec::new(), wire);
        while !rest.is_empty() {
            let mut given = &rest[..piece().clamp(1, rest.len())];
            rest = &rest[given.len()..];
            while !given.is_empty() {
                let (consumed, kind) = parser.feed(given).unwrap();
                assert!(consumed > 0, "bytes must move");
                given = &given[consumed..];
                frames.extend(kind.map(|kind| (kind, parser.payload().to_vec())));
            }
        }
        frames
    }

    #[test]
    fn frames_come_out_the_same_however_the_bytes_are_cut() {
        for seed in 1..300 {
            let mut dice = Dice(seed);
            let kinds = [Kind::Start, Kind::Tar, Kind::Stdin, Kind::Cancel];
            let mut sent = Vec::new();
            let mut wire = Vec::new();
            for _ in 0..dice.roll(12) {
                let kind = kinds[dice.roll(kinds.len())];
                let length = if kind == Kind::Cancel { 0 } else { dice.roll(200) };
                let payload: Vec<u8> = (0..length).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect();
                write_frame(&mut wire, kind, &payload).unwrap();
                sent.push((kind, payload));
            }
            let longest = 1 + dice.roll(40);
            assert_eq!(parse(&wire, || 1 + dice.roll(longest)), sent, "seed {seed}");
        }
    }

    #[test]
    fn one_byte_at_a_time_and_all_at_once_are_the_same() {
        let mut wire = Vec::new();
        write_frame(&mut wire, Kind::Tar, &vec![7; DATA_BYTES_MAX]).unwrap();
        write_frame(&mut wire, Kind::Stdin, b"").unwrap();
        write_frame(&mut wire, Kind::Cancel, b"").unwrap();
        let all = parse(&wire, || usize::MAX);
        assert_eq!(all.len(), 3);
        assert_eq!(parse(&wire, || 1), all);
    }

    #[test]
    fn a_header_that_is_none_of_ours_is_refused_at_its_last_byte() {
        let mut parser = Parser::new();
        assert_eq!(parser.feed(&[2, 0xff, 0xff, 0xff]), Ok((4, None)));
        assert!(parser.feed(&[0xff]).is_err());
        assert_eq!(Parser::new().feed(&[99, 0, 0, 0, 0]), Err(FrameError::UnknownKind(99)));
    }

    #[test]
    fn a_large_start_message_does_not_stay_in_memory() {
        let mut wire = Vec::new();
        write_frame(&mut wire, Kind::Start, &vec![b'x'; 3_000_000]).unwrap();
        let mut parser = Parser::new();
        assert_eq!(parser.feed(&wire), Ok((wire.len(), Some(Kind::Start))));
        assert_eq!(parser.payload().len(), 3_000_000);
        parser.shrink();
        assert!(parser.payload.capacity() < 2 * DATA_BYTES_MAX);
    }
}

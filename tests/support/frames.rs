//! AMQP 0-9-1 on the wire, as far as somebody in the middle has to read it: which frames make up one step of the
//! protocol, and which step it is.

use std::collections::HashMap;

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Client,
    Server,
}

/// A step of the protocol that something can be done before or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// The server opens the virtual host (`connection.open-ok`).
    Connect,
    /// The server confirms a consumer (`basic.consume-ok`).
    Consume,
    /// The server delivers a job.
    Deliver,
    /// The client publishes.
    Publish,
    /// The server confirms a publish.
    Confirm,
    /// The client acknowledges a job.
    Ack,
}

impl Step {
    /// Every step, in the order of a job.
    pub(crate) const ALL: [Self; 6] =
        [Self::Connect, Self::Consume, Self::Deliver, Self::Publish, Self::Confirm, Self::Ack];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Consume => "consume",
            Self::Deliver => "deliver",
            Self::Publish => "publish",
            Self::Confirm => "confirm",
            Self::Ack => "ack",
        }
    }

    /// The step that a method begins, by its class and number.
    const fn of(from: From, class: u16, method: u16) -> Option<Self> {
        match (from, class, method) {
            (From::Server, 10, 41) => Some(Self::Connect),
            (From::Server, 60, 21) => Some(Self::Consume),
            (From::Server, 60, 60) => Some(Self::Deliver),
            (From::Client, 60, 40) => Some(Self::Publish),
            (From::Server, 60, 80) => Some(Self::Confirm),
            (From::Client, 60, 80) => Some(Self::Ack),
            _ => None,
        }
    }
}

/// One frame, or the client's first eight bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    /// The step that begins with it.
    pub(crate) begins: Option<Step>,
    /// The step that is whole with it: a message is, once its last byte is there.
    pub(crate) ends: Option<Step>,
}

/// A message of which not everything has come.
#[derive(Debug)]
struct Open {
    step: Option<Step>,
    /// Bytes of its body that are missing; unknown until its header has come.
    missing: Option<u64>,
}

/// Cuts what one side writes into frames.
#[derive(Debug)]
pub(crate) struct Splitter {
    from: From,
    buffer: Vec<u8>,
    greeted: bool,
    open: HashMap<u16, Open>,
}

const GREETING_BYTES: usize = 8;
/// Kind, channel, length; and the octet at the end.
const PREFIX_BYTES: usize = 7;

impl Splitter {
    pub(crate) fn new(from: From) -> Self {
        Self { from, buffer: Vec::new(), greeted: from == From::Server, open: HashMap::new() }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame that is whole.
    pub(crate) fn next(&mut self) -> Option<Piece> {
        if !self.greeted {
            let bytes = self.take(GREETING_BYTES)?;
            self.greeted = true;
            return Some(Piece { bytes, begins: None, ends: None });
        }
        let length = u32::from_be_bytes(self.buffer.get(3..PREFIX_BYTES)?.try_into().expect("four bytes"));
        let length = usize::try_from(length).expect("a length in memory");
        let bytes = self.take(PREFIX_BYTES + length + 1)?;
        assert_eq!(bytes.last(), Some(&0xCE), "the end of a frame is where it should be");
        let channel = u16::from_be_bytes([bytes[1], bytes[2]]);
        let (begins, ends) = self.steps(bytes[0], channel, &bytes[PREFIX_BYTES..PREFIX_BYTES + length]);
        Some(Piece { bytes, begins, ends })
    }

    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        if self.buffer.len() < count {
            return None;
        }
        let rest = self.buffer.split_off(count);
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    fn steps(&mut self, kind: u8, channel: u16, payload: &[u8]) -> (Option<Step>, Option<Step>) {
        match kind {
            1 => {
                let number = |at: usize| u16::from_be_bytes([payload[at], payload[at + 1]]);
                let (class, method) = (number(0), number(2));
                let step = Step::of(self.from, class, method);
                // Publish, return, deliver and get-ok have a content after them.
                if class == 60 && [40, 50, 60, 71].contains(&method) {
                    self.open.insert(channel, Open { step, missing: None });
                    return (step, None);
                }
                (step, step)
            }
            2 => {
                let size = u64::from_be_bytes(payload[4..12].try_into().expect("eight bytes"));
                (None, self.content(channel, |_unknown| size))
            }
            3 => {
                let came = u64::try_from(payload.len()).expect("a length");
                (None, self.content(channel, |missing| missing.unwrap_or_default().saturating_sub(came)))
            }
            _ => (None, None),
        }
    }

    /// A part of a message came; the step, if it was the last part.
    fn content(&mut self, channel: u16, missing: impl FnOnce(Option<u64>) -> u64) -> Option<Step> {
        let open = self.open.get_mut(&channel)?;
        let left = missing(open.missing);
        open.missing = Some(left);
        if left > 0 {
            return None;
        }
        self.open.remove(&channel).and_then(|open| open.step)
    }
}

mod tests {
    use super::*;

    fn frame(kind: u8, channel: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&[kind, 0, channel][..], &length, payload, &[0xCE]].concat()
    }

    fn steps(splitter: &mut Splitter) -> Vec<(Option<Step>, Option<Step>)> {
        std::iter::from_fn(|| splitter.next()).map(|piece| (piece.begins, piece.ends)).collect()
    }

    #[test]
    fn a_publish_is_whole_with_the_last_byte_of_its_body() {
        let header = [&[0, 60, 0, 0][..], &5_u64.to_be_bytes(), &[0, 0]].concat();
        let wire = [
            b"AMQP\x00\x00\x09\x01".to_vec(),
            frame(1, 3, &[0, 60, 0, 40, 0, 0, 0, 0]),
            frame(2, 3, &header),
            frame(3, 3, b"abc"),
            frame(8, 0, b""),
            frame(3, 3, b"de"),
            frame(1, 3, &[0, 60, 0, 80]),
        ]
        .concat();
        let publish = Some(Step::Publish);
        let expected = [
            (None, None),
            (publish, None),
            (None, None),
            (None, None),
            (None, None),
            (None, publish),
            (Some(Step::Ack), Some(Step::Ack)),
        ];
        let mut whole = Splitter::new(From::Client);
        whole.push(&wire);
        assert_eq!(steps(&mut whole), expected);
        // The same, however it is cut on the way.
        let mut bytewise = Splitter::new(From::Client);
        let mut found = Vec::new();
        for byte in wire {
            bytewise.push(&[byte]);
            found.extend(steps(&mut bytewise));
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn an_empty_message_is_whole_with_its_header_and_two_channels_do_not_mix() {
        let header = |size: u64| [&[0, 60, 0, 0][..], &size.to_be_bytes(), &[0, 0]].concat();
        let mut server = Splitter::new(From::Server);
        server.push(&frame(1, 1, &[0, 60, 0, 60]));
        server.push(&frame(1, 2, &[0, 60, 0, 60]));
        server.push(&frame(2, 2, &header(0)));
        server.push(&frame(2, 1, &header(1)));
        server.push(&frame(3, 1, b"x"));
        server.push(&frame(1, 1, &[0, 60, 0, 80]));
        let deliver = Some(Step::Deliver);
        let expected = [
            (deliver, None),
            (deliver, None),
            (None, deliver),
            (None, None),
            (None, deliver),
            (Some(Step::Confirm), Some(Step::Confirm)),
        ];
        assert_eq!(steps(&mut server), expected);
    }
}

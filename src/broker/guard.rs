//! Makes every frame from the broker one that the client library can read.
//!
//! Whoever may publish chooses a message's properties, and the broker passes them on as they are. The client library
//! takes text that is not UTF-8 for the end of the connection, and reads nested tables by recursion, so that 12 KB of
//! nesting overflow its stack and abort the process. Either message would come again to each worker in turn, for ever.
//! So frames are looked at before the library sees them. Bodies pass untouched: they are what is signed.

use std::io;

/// Frame type and channel, then the payload's length.
const PREFIX: usize = 7;
/// The byte that ends each frame.
const END: usize = 1;
/// The longest frame that is held to be looked at; [`super::address`] agrees on less.
pub(super) const HELD_MAX: usize = 1 << 20;
const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
/// What RabbitMQ itself writes (`x-death`) is three deep.
const DEPTH_MAX: usize = 16;
/// Class `basic`.
const BASIC: [u8; 2] = [0, 60];
/// `basic.return`, `basic.deliver` and `basic.get-ok`: the methods that repeat what a publisher wrote.
const RETURN: [u8; 2] = [0, 50];
const DELIVER: [u8; 2] = [0, 60];
const GET_OK: [u8; 2] = [0, 71];

/// The message id that stands for properties nobody can read. It contradicts any job's own id, so that a job which is
/// authentic all the same is answered with `properties_mismatch`.
pub(super) const UNREADABLE: &str = "tester-unreadable-properties";

/// Reads a stream of frames and writes one that is safe to read.
#[derive(Debug, Default)]
pub(super) struct Guard {
    state: State,
    held: Vec<u8>,
    replaced: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Collecting a frame's first seven bytes.
    #[default]
    Prefix,
    /// Collecting a whole frame of this many bytes.
    Whole(usize),
    /// Passing this many bytes on.
    Through(usize),
    /// This is not AMQP; the library will say so.
    Foreign,
}

impl Guard {
    /// How many messages had properties that nobody can read.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Takes bytes from the broker and appends safe ones.
    ///
    /// # Errors
    /// A frame that is looked at is far above any size that was agreed upon.
    pub(super) fn pass(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        while !input.is_empty() {
            input = match self.state {
                State::Foreign => {
                    output.extend_from_slice(input);
                    &[]
                }
                State::Through(left) => {
                    let (now, later) = input.split_at(left.min(input.len()));
                    output.extend_from_slice(now);
                    self.state = if now.len() == left { State::Prefix } else { State::Through(left - now.len()) };
                    later
                }
                State::Prefix => {
                    let later = self.hold(input, PREFIX);
                    if self.held.len() == PREFIX {
                        self.begin(output)?;
                    }
                    later
                }
                State::Whole(length) => {
                    let later = self.hold(input, length);
                    if self.held.len() == length {
                        self.finish(output);
                    }
                    later
                }
            };
        }
        Ok(())
    }

    fn hold<'a>(&mut self, input: &'a [u8], length: usize) -> &'a [u8] {
        let (now, later) = input.split_at(length.saturating_sub(self.held.len()).min(input.len()));
        self.held.extend_from_slice(now);
        later
    }

    /// A frame's first bytes are there.
    fn begin(&mut self, output: &mut Vec<u8>) -> io::Result<()> {
        let mut prefix = Reader(&self.held);
        let kind = prefix.byte().unwrap_or_default();
        let length = prefix.skip(2).and_then(|()| prefix.length()).unwrap_or(usize::MAX);
        let rest = length.saturating_add(END);
        self.state = match kind {
            METHOD | HEADER if length <= HELD_MAX => State::Whole(PREFIX.saturating_add(rest)),
            METHOD | HEADER => return Err(io::Error::other(format!("RabbitMQ sent a frame of {length} bytes"))),
            BODY | HEARTBEAT => State::Through(rest),
            _ => State::Foreign,
        };
        if !matches!(self.state, State::Whole(_)) {
            output.append(&mut self.held);
        }
        Ok(())
    }

    /// A frame that is looked at is there.
    fn finish(&mut self, output: &mut Vec<u8>) {
        self.state = State::Prefix;
        let mut frame = std::mem::take(&mut self.held);
        let payload = PREFIX..frame.len().saturating_sub(END);
        if frame.first() == Some(&METHOD) {
            if let Some(payload) = frame.get_mut(payload) {
                mend_method(payload);
            }
        } else if let Some(mended) = frame.get(payload).and_then(mended_header) {
            self.replaced = self.replaced.saturating_add(1);
            let length = u32::try_from(mended.len()).unwrap_or(u32::MAX).to_be_bytes();
            let channel = frame.get(1..3).unwrap_or_default().to_vec();
            let end = frame.pop();
            frame = [&[HEADER], &channel[..], &length, &mended].concat();
            frame.extend(end);
        }
        output.append(&mut frame);
    }
}

/// Puts `?` for what is not ASCII in an exchange's name or a routing key that is not UTF-8.
fn mend_method(payload: &mut [u8]) {
    let Some((class_and_method, arguments)) = payload.split_at_mut_checked(4) else { return };
    let (class, method) = class_and_method.split_at(2);
    // How many bytes, or short strings, come before the exchange's name.
    let (strings, bytes) = match (class, method) {
        (class, _) if class != BASIC => return,
        (_, method) if method == DELIVER => (1, 9),
        (_, method) if method == GET_OK => (0, 9),
        (_, method) if method == RETURN => (0, 2),
        _ => return,
    };
    let mut rest = arguments;
    for _ in 0..strings {
        let Some((_, later)) = split_short(rest) else { return };
        rest = later;
    }
    if method == RETURN {
        // The reply text comes between.
        let Some((_, later)) = rest.split_at_mut_checked(bytes).and_then(|(_, later)| split_short(later)) else {
            return;
        };
        rest = later;
    } else {
        let Some((_, later)) = rest.split_at_mut_checked(bytes) else { return };
        rest = later;
    }
    for _name in ["exchange", "routing key"] {
        let Some((text, later)) = split_short(rest) else { return };
        if std::str::from_utf8(text).is_err() {
            text.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
        }
        rest = later;
    }
}

fn split_short(bytes: &mut [u8]) -> Option<(&mut [u8], &mut [u8])> {
    let (length, rest) = bytes.split_first_mut()?;
    rest.split_at_mut_checked(usize::from(*length))
}

/// A header frame's payload in place of one that cannot be read; `None` where it can.
fn mended_header(payload: &[u8]) -> Option<Vec<u8>> {
    /// Class, weight and the body's size.
    const FIXED: usize = 12;
    /// Only `message_id` follows.
    const MESSAGE_ID: [u8; 2] = [0x00, 0x80];
    let (fixed, properties) = payload.split_at_checked(FIXED)?;
    if !fixed.starts_with(&BASIC) || properties_read(properties).is_some() {
        return None;
    }
    let length = u8::try_from(UNREADABLE.len()).unwrap_or_default();
    Some([fixed, &MESSAGE_ID, &[length], UNREADABLE.as_bytes()].concat())
}

/// The kinds of a message's properties, from the highest flag down.
#[derive(Clone, Copy)]
enum Kind {
    Short,
    Table,
    Bytes(usize),
}

const PROPERTIES: [Kind; 14] = [
    Kind::Short,    // content type
    Kind::Short,    // content encoding
    Kind::Table,    // headers
    Kind::Bytes(1), // delivery mode
    Kind::Bytes(1), // priority
    Kind::Short,    // correlation id
    Kind::Short,    // reply to
    Kind::Short,    // expiration
    Kind::Short,    // message id
    Kind::Bytes(8), // timestamp
    Kind::Short,    // type
    Kind::Short,    // user id
    Kind::Short,    // app id
    Kind::Short,    // cluster id
];

/// Reads properties to their very end, as the client library will.
fn properties_read(bytes: &[u8]) -> Option<()> {
    let mut reader = Reader(bytes);
    let flags = reader.flags()?;
    // The two lowest: a reserved one, and "more flags follow", which this protocol never uses.
    if flags & 0b11 != 0 {
        return None;
    }
    for (index, kind) in PROPERTIES.into_iter().enumerate() {
        if flags & (0x8000 >> index) != 0 {
            match kind {
                Kind::Short => reader.short()?,
                Kind::Table => reader.nested(DEPTH_MAX, Entry::Named)?,
                Kind::Bytes(count) => reader.skip(count)?,
            }
        }
    }
    reader.0.is_empty().then_some(())
}

/// Whether an entry of something nested has a name.
#[derive(Clone, Copy)]
enum Entry {
    Named,
    Plain,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(|_| ())
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn flags(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn length(&mut self) -> Option<usize> {
        let length = self.take(4)?.try_into().ok().map(u32::from_be_bytes)?;
        usize::try_from(length).ok()
    }

    fn short(&mut self) -> Option<()> {
        let length = usize::from(self.byte()?);
        std::str::from_utf8(self.take(length)?).ok().map(|_| ())
    }

    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    /// A table or an array, at most `depth` deep.
    fn nested(&mut self, depth: usize, entry: Entry) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let mut inside = Reader(self.long()?);
        while !inside.0.is_empty() {
            if let Entry::Named = entry {
                inside.short()?;
            }
            inside.value(depth)?;
        }
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.byte()? {
            b'V' => Some(()),
            b't' | b'b' | b'B' => self.skip(1),
            b's' | b'U' | b'u' => self.skip(2),
            b'I' | b'i' | b'f' => self.skip(4),
            b'D' => self.skip(5),
            b'L' | b'l' | b'd' | b'T' => self.skip(8),
            b'S' | b'x' => self.long().map(|_| ()),
            b'A' => self.nested(depth, Entry::Plain),
            b'F' => self.nested(depth, Entry::Named),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

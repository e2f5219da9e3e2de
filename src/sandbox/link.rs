//! Frames over a container's attached stdin and stdout.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bollard::container::{AttachContainerResults, LogOutput};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tester_runner::frame::{self, HEADER_BYTES, Kind};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Notify, mpsc};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// Frames that may wait between the reader and whoever takes them; beyond that the runner is held back. Few, for every
/// slot may have as many of the largest waiting.
const FRAMES_WAITING_MAX: usize = 4;

/// Bytes of the runner's own stderr that are logged, for a runner that cannot even say why it fails.
const STDERR_LOGGED_BYTES_MAX: usize = 2_048;

/// One frame from the runner.
pub(super) type Frame = (Kind, Bytes);

/// The worker's end of the line to one runner.
pub(super) struct Link {
    pub(super) writer: LinkWriter,
    pub(super) reader: LinkReader,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("alive", &self.reader.is_alive()).finish_non_exhaustive()
    }
}

/// Sends frames.
pub(super) struct LinkWriter {
    input: Pin<Box<dyn AsyncWrite + Send>>,
    /// A frame was begun and is not known to be whole.
    within: bool,
    /// Something was sent after a part of a frame: the runner takes it for the rest.
    torn: bool,
}

impl LinkWriter {
    /// Sends one frame.
    ///
    /// # Errors
    /// What the socket says; the runner is lost then.
    ///
    /// # Cancel safety
    /// A part of the frame may have been sent: [`LinkWriter::in_step`] says so.
    pub(super) async fn send(&mut self, kind: Kind, payload: &[u8]) -> std::io::Result<()> {
        let header = frame::encode_header(kind, payload.len()).map_err(std::io::Error::other)?;
        self.torn |= std::mem::replace(&mut self.within, true);
        self.input.write_all(&header).await?;
        self.input.write_all(payload).await?;
        self.input.flush().await?;
        self.within = false;
        Ok(())
    }

    /// Whether the runner has whole frames only, so that it understands the next one.
    pub(super) const fn in_step(&self) -> bool {
        !self.within && !self.torn
    }
}

/// Receives frames.
pub(super) struct LinkReader {
    frames: mpsc::Receiver<Frame>,
    alive: Arc<AtomicBool>,
    _task: AbortOnDropHandle<()>,
}

impl LinkReader {
    /// The next frame; `None` when the runner is gone or spoke nonsense.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        self.frames.recv().await
    }

    /// The answer to an order: the payload of the next frame, which must be of this kind; else what came instead.
    ///
    /// # Cancel safety
    /// As [`LinkReader::next`].
    pub(super) async fn answer(&mut self, wanted: Kind) -> Result<Bytes, String> {
        match self.next().await {
            Some((kind, payload)) if kind == wanted => Ok(payload),
            Some((Kind::Fault, payload)) => Err(format!("it reports a fault: {}", String::from_utf8_lossy(&payload))),
            Some((kind, _)) => Err(format!("it answers with {kind:?}")),
            None => Err("it has ended".to_owned()),
        }
    }

    /// Whether the runner's end is open, as far as this end knows.
    pub(super) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }
}

/// A link over an attached container. `died` is notified when the runner's end closes.
pub(super) fn link(attached: AttachContainerResults, tasks: &TaskTracker, died: Arc<Notify>) -> Link {
    let (sender, frames) = mpsc::channel(FRAMES_WAITING_MAX);
    let alive = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&alive);
    let output = attached.output;
    let task = tasks.spawn(async move {
        if let Err(reason) = read_frames(output, sender).await {
            tracing::warn!("a runner's stream is broken: {reason}");
        }
        // The flag first: whoever is woken looks at it.
        flag.store(false, Ordering::Release);
        died.notify_one();
    });
    Link {
        writer: LinkWriter { input: attached.input, within: false, torn: false },
        reader: LinkReader { frames, alive, _task: AbortOnDropHandle::new(task) },
    }
}

type OutputStream = Pin<Box<dyn futures_util::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

async fn read_frames(mut output: OutputStream, sender: mpsc::Sender<Frame>) -> Result<(), String> {
    let mut buffer = BytesMut::new();
    let mut stderr_left = STDERR_LOGGED_BYTES_MAX;
    while let Some(chunk) = output.next().await {
        match chunk {
            Ok(LogOutput::StdOut { message }) => {
                buffer.extend_from_slice(&message);
                while let Some(frame) = split_frame(&mut buffer)? {
                    if sender.send(frame).await.is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(LogOutput::StdErr { message }) => {
                let shown = message.get(..message.len().min(stderr_left)).unwrap_or_default();
                stderr_left -= shown.len();
                if !shown.is_empty() {
                    tracing::warn!("a runner wrote to its stderr: {:?}", String::from_utf8_lossy(shown));
                }
            }
            Ok(LogOutput::StdIn { .. } | LogOutput::Console { .. }) => {}
            // The connection broke; that is the same to us as the runner's end.
            Err(error) => {
                tracing::debug!("the stream of a runner ended: {error}");
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Takes one whole frame off the front of the buffer.
fn split_frame(buffer: &mut BytesMut) -> Result<Option<Frame>, String> {
    let Some(header) = buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let (kind, length) = frame::decode_header(*header).map_err(|error| error.to_string())?;
    if buffer.len() < HEADER_BYTES + length {
        return Ok(None);
    }
    let mut whole = buffer.split_to(HEADER_BYTES + length).freeze();
    Ok(Some((kind, whole.split_off(HEADER_BYTES))))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_frame_that_was_not_sent_whole_is_remembered() {
        let (ours, theirs) = tokio::io::duplex(16);
        let mut writer = LinkWriter { input: Box::pin(ours), within: false, torn: false };
        writer.send(Kind::Cancel, b"").await.unwrap();
        assert!(writer.in_step());
        assert!(writer.send(Kind::Stdin, &[0; 64]).now_or_never().is_none(), "there is no room for it");
        assert!(!writer.in_step());
        drop(theirs);
        assert!(writer.send(Kind::Cancel, b"").await.is_err());
        assert!(!writer.in_step(), "what comes later does not mend it");
    }

    #[test]
    fn frames_are_found_however_the_stream_is_cut() {
        let mut wire = Vec::new();
        frame::write_frame(&mut wire, Kind::Stdout, b"abc").unwrap();
        frame::write_frame(&mut wire, Kind::Started, b"").unwrap();
        for size in 1..wire.len() {
            let mut buffer = BytesMut::new();
            let mut found = Vec::new();
            for piece in wire.chunks(size) {
                buffer.extend_from_slice(piece);
                while let Some(frame) = split_frame(&mut buffer).unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, [(Kind::Stdout, Bytes::from("abc")), (Kind::Started, Bytes::new())], "pieces of {size}");
        }
    }

    #[test]
    fn nonsense_is_an_error_and_allocates_nothing() {
        let mut buffer = BytesMut::from([17_u8, 0xff, 0xff, 0xff, 0xff].as_slice());
        assert!(split_frame(&mut buffer).is_err());
    }
}

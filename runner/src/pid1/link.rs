//! The link to the worker: frames both ways, and the signals that can come at any moment.

use std::io::{self, Read};
use std::os::fd::AsFd as _;

use serde::Serialize;
use tester_runner::frame::Kind;

use super::Stop;
use super::events::{Interest, Source};
use super::input::{Input, Order};
use super::output::Output;
use super::reap::Reaper;
use super::signals::Signals;

/// Everything that PID 1 listens to, whatever it does.
pub(crate) struct Link {
    pub(crate) input: Input,
    pub(crate) output: Output,
    pub(crate) signals: Signals,
}

impl Link {
    /// Takes stdin, stdout and the signals.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { input: Input::new(), output: Output::new()?, signals: Signals::new()? })
    }

    /// Waits for an order while nothing runs; reaps what ends meanwhile.
    pub(crate) fn wait_order(&mut self, reaper: &mut Reaper) -> Result<Order, Stop> {
        loop {
            // Also what ended while something was being sent, when nobody looked.
            reaper.reap();
            if reaper.has_lost_template() {
                return Err(Stop::ours("warm", "the warm interpreter ended while it waited"));
            }
            if let Some(order) = self.input.next()? {
                return Ok(order);
            }
            let mut interest = Interest::new();
            interest.read(Source::Input, self.input.as_fd());
            interest.read(Source::Signals, self.signals.as_fd());
            let woken = interest.wait(None).map_err(|error| Stop::ours("wait", error))?;
            if woken.has(Source::Signals) {
                self.take_signals(reaper)?;
            }
            // One read at most, and only once everything before it is parsed.
            if woken.has(Source::Input) {
                self.input.fill()?;
            }
        }
    }

    /// Reaps, or stops.
    pub(crate) fn take_signals(&mut self, reaper: &mut Reaper) -> Result<(), Stop> {
        let arrived = self.signals.take().map_err(|error| Stop::ours("read signals", error))?;
        if arrived.child {
            reaper.reap();
        }
        if arrived.stop { Err(Stop::Gone) } else { Ok(()) }
    }

    fn stop_asked(&self) -> Result<bool, Stop> {
        self.signals.take().map(|arrived| arrived.stop).map_err(|error| Stop::ours("read signals", error))
    }

    /// Sends a message whole, however slow the worker is, unless it goes away.
    pub(crate) fn send_message(&mut self, kind: Kind, message: &impl Serialize) -> Result<(), Stop> {
        let json = serde_json::to_vec(message).map_err(|error| Stop::ours("write a message", error))?;
        self.output.control(kind, &json)?;
        self.flush()
    }

    /// Waits until everything is written. What the worker sends meanwhile stays in its pipe; only its end is noticed.
    pub(crate) fn flush(&mut self) -> Result<(), Stop> {
        loop {
            self.output.flush()?;
            if self.output.is_empty() {
                return Ok(());
            }
            let mut interest = Interest::new();
            interest.write(Source::Output, self.output.as_fd());
            interest.hang_up(Source::Input, self.input.as_fd());
            interest.read(Source::Signals, self.signals.as_fd());
            let woken = interest.wait(None).map_err(|error| Stop::ours("wait", error))?;
            if woken.has(Source::Input) {
                return Err(Stop::Gone);
            }
            // Nothing is reaped here: whoever watches over a process is to see its end.
            if woken.has(Source::Signals) && self.stop_asked()? {
                return Err(Stop::Gone);
            }
        }
    }

    /// Drops everything that comes until the worker is gone.
    pub(crate) fn wait_gone(&mut self) {
        loop {
            let mut interest = Interest::new();
            interest.read(Source::Input, self.input.as_fd());
            interest.read(Source::Signals, self.signals.as_fd());
            let Ok(woken) = interest.wait(None) else { return };
            if woken.has(Source::Signals) && self.stop_asked().unwrap_or(true) {
                return;
            }
            if woken.has(Source::Input) && self.input.fill().is_err() {
                return;
            }
        }
    }
}

/// The payloads of `Tar` frames as one stream, which an empty one ends.
pub(crate) struct TarStream<'link> {
    link: &'link mut Link,
    reaper: &'link mut Reaper,
    /// Where in the present payload reading goes on.
    at: usize,
    open: bool,
    ended: bool,
    /// Why the stream broke, if it did.
    broken: Option<TarBreak>,
}

/// Why a tar stream ended before its end.
pub(crate) enum TarBreak {
    /// The worker cancelled the run.
    Cancelled,
    /// PID 1 stops.
    Stop(Stop),
}

impl<'link> TarStream<'link> {
    /// The stream that follows a `Start`.
    pub(super) fn new(link: &'link mut Link, reaper: &'link mut Reaper) -> Self {
        Self { link, reaper, at: 0, open: false, ended: false, broken: None }
    }

    /// Why reading failed, if it was the stream and not the tar in it.
    pub(crate) fn take_break(&mut self) -> Option<TarBreak> {
        self.broken.take()
    }

    fn next_payload(&mut self) -> Result<(), TarBreak> {
        match self.link.wait_order(self.reaper).map_err(TarBreak::Stop)? {
            Order::Tar => {
                self.at = 0;
                self.open = !self.link.input.payload().is_empty();
                self.ended = !self.open;
                Ok(())
            }
            Order::Cancel => Err(TarBreak::Cancelled),
            order @ (Order::Warm | Order::Start | Order::Stdin | Order::List | Order::Fetch | Order::Reset) => {
                Err(TarBreak::Stop(Stop::unexpected(order)))
            }
        }
    }
}

impl Read for TarStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.open && !self.ended {
            if self.broken.is_some() {
                return Err(io::Error::other("the stream of files broke"));
            }
            if let Err(broken) = self.next_payload() {
                self.broken = Some(broken);
            }
        }
        if self.ended {
            return Ok(0);
        }
        let payload = self.link.input.payload();
        let rest = payload.get(self.at..).unwrap_or_default();
        let bytes = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at += bytes;
        self.open = self.at < payload.len();
        Ok(bytes)
    }
}

//! The program's stdin, fed by credit: the worker never sends more than there is room for.

use std::collections::VecDeque;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use tester_runner::STDIN_CREDIT_BYTES_INITIAL;
use tester_runner::frame::Kind;

use super::Stop;
use super::input::resident;
use super::output::Output;

/// The writing end of the program's stdin and what waits for it.
pub(super) struct ProgramStdin {
    /// `None` once it is closed: the worker sent the end, or the program reads no more.
    pipe: Option<OwnedFd>,
    waiting: VecDeque<u8>,
    /// The worker sent the end.
    ended: bool,
    /// Bytes that went away and were not yet given back as credit.
    due: u32,
}

impl ProgramStdin {
    /// Room for everything that the initial credit allows, now and not later.
    pub(super) fn new(pipe: OwnedFd) -> Self {
        let mut waiting = VecDeque::from(resident(usize::try_from(STDIN_CREDIT_BYTES_INITIAL).unwrap_or_default()));
        waiting.clear();
        Self { pipe: Some(pipe), waiting, ended: false, due: 0 }
    }

    /// Takes a `Stdin` frame's payload; an empty one is the end.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if bytes.is_empty() {
            self.ended = true;
            self.close_when_done();
            return Ok(());
        }
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let outstanding = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX).saturating_add(self.due);
        if outstanding.saturating_add(length) > STDIN_CREDIT_BYTES_INITIAL {
            return Err(Stop::ours("protocol", "more stdin came than there was credit for"));
        }
        if self.pipe.is_some() {
            self.waiting.extend(bytes);
            self.write()
        } else {
            // A program that reads no more is normal; its input goes nowhere.
            self.due += length;
            Ok(())
        }
    }

    /// What to wait for, while there is something to write.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().filter(|_| !self.waiting.is_empty()).map(|pipe| pipe.as_fd())
    }

    /// Writes as much as the program takes now.
    pub(super) fn write(&mut self) -> Result<(), Stop> {
        while let Some(pipe) = self.pipe.as_ref() {
            let (front, _) = self.waiting.as_slices();
            if front.is_empty() {
                break;
            }
            match rustix::io::write(pipe, front) {
                Ok(bytes) => self.give_up(bytes),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE) => {
                    self.pipe = None;
                    self.give_up(self.waiting.len());
                }
                Err(error) => return Err(Stop::ours("write the program's stdin", error)),
            }
        }
        self.close_when_done();
        Ok(())
    }

    /// Gives credit back for what went away, when it is enough to be worth a frame or nothing is left.
    pub(super) fn give_credit(&mut self, output: &mut Output) -> Result<(), Stop> {
        let worth_it = self.waiting.is_empty() || self.due >= STDIN_CREDIT_BYTES_INITIAL / 4;
        if self.due > 0 && worth_it && !self.ended {
            output.control(Kind::StdinCredit, &self.due.to_be_bytes())?;
            self.due = 0;
        }
        Ok(())
    }

    fn give_up(&mut self, bytes: usize) {
        self.waiting.drain(..bytes);
        self.due = self.due.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    fn close_when_done(&mut self) {
        if self.ended && self.waiting.is_empty() {
            self.pipe = None;
        }
    }
}

//! Starting a warm interpreter before the first run, and starting a program by way of it.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::thread::{self, Builder};
use std::time::Duration;

use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use tester_runner::WARM_DIR;
use tester_runner::frame::Kind;
use tester_runner::message::{LaunchError, Start, Warm, Warmed};

use super::events::{Interest, Source};
use super::evidence::Counts;
use super::reap::Main;
use super::spawn::{self, Spawned, Theirs};
use super::template::{Template, receive, send, socket_pair, strings};
use super::{Pid1, Stop, kill};
use crate::clock::Instant;
use crate::complain;
use crate::launch::{Spec, check_template, look_up};
use crate::status::{STATUS_BYTES_MAX, interpret};
use crate::support;

/// The variable in which an interpreter is told the number of its socket.
const NUMBER: &str = "TESTER_WARM";

/// The least that a thread may have; it calls one function.
const SLEEPER_STACK_BYTES: usize = 16_384;

/// As much of what a failed interpreter wrote as is told.
const OUTPUT_BYTES_MAX: usize = 2048;

/// Starts a warm interpreter and tells the worker what came of it. Without one every start is a plain one.
pub(super) fn warm_up(pid1: &mut Pid1, order: Warm) -> Result<(), Stop> {
    if pid1.previous_uid.is_some() || pid1.template.is_some() {
        return Err(Stop::ours("warm", "a warm interpreter is started before the first run, and once"));
    }
    let error = match start(pid1, order)? {
        Ok(template) => {
            pid1.template = Some(template);
            None
        }
        Err(reason) => {
            // Whatever was begun with root's ids is gone before anything of a job comes.
            let killed = kill::everything(&pid1.processes, &mut pid1.reaper, &pid1.link.signals);
            if !killed.clean {
                return Err(Stop::ours("warm", "a failed interpreter could not be killed"));
            }
            pid1.reaper.forget_template();
            pid1.keep_place()?;
            Some(reason)
        }
    };
    pid1.link.send_message(Kind::Warmed, &Warmed { error })
}

/// The inner error says why there is none.
fn start(pid1: &mut Pid1, order: Warm) -> Result<Result<Template, String>, Stop> {
    let until = Instant::now() + Duration::from_millis(order.milliseconds_max);
    let started = match execute(order) {
        Ok(started) => started,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let Started { main, control, output, status, program } = started;
    pid1.reaper.watch_template(Some(main.pid()));
    let mut written = Vec::new();
    let word = match await_word(pid1, (&control, &output), until, &mut written)? {
        Ok(word) => word,
        Err(reason) => {
            let launch = launch_report(&status);
            let text = String::from_utf8_lossy(&written);
            return Ok(Err(format!("{}{reason}; it wrote: {text:?}", launch.unwrap_or_default())));
        }
    };
    if let Some(reason) = word.strip_prefix(b"E") {
        return Ok(Err(String::from_utf8_lossy(reason).into_owned()));
    }
    let seen = std::fs::read_to_string(format!("/proc/{}/status", main.pid().as_raw_nonzero()));
    let checked = seen.map_err(|error| error.to_string()).and_then(|status| check_template(&status));
    Ok(checked.map(|()| Template::new(main, control, output, program)))
}

struct Started {
    main: Main,
    control: OwnedFd,
    output: OwnedFd,
    status: OwnedFd,
    program: String,
}

fn execute(order: Warm) -> io::Result<Started> {
    let Warm { mut argv, path, mut env, modules, .. } = order;
    let first = argv.first_mut().ok_or_else(|| io::Error::other("there is no program to start"))?;
    let program = look_up(first, &path)?.to_string_lossy().into_owned();
    support::place_warm()?;
    let (control, theirs) = socket_pair()?;
    let others = env.iter().find(|(name, _)| name == "PYTHONPATH").map(|(_, value)| value.clone());
    env.retain(|(name, _)| name != "PYTHONPATH");
    let folders = others
        .filter(|value| !value.is_empty())
        .map_or_else(|| WARM_DIR.to_owned(), |value| format!("{WARM_DIR}:{value}"));
    env.push(("PYTHONPATH".to_owned(), folders));
    env.push((NUMBER.to_owned(), theirs.as_raw_fd().to_string()));
    let spec =
        Spec { argv, path, env, uid: 0, open_files: 0, file_bytes: 0, template: Some(theirs.as_raw_fd()), probe: None };
    let (stdin, _closed) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (output, stdout) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    spawn::set_nonblocking(&output)?;
    let stderr = rustix::io::fcntl_dupfd_cloexec(&stdout, 0)?;
    let (status, status_theirs) = spawn::make_status_pipe()?;
    let child = spawn::launch(&spec, Theirs { stdin, stdout, stderr, status: status_theirs })?;
    drop(theirs);
    let main = Main::new(child).ok_or_else(|| io::Error::other("the process id is out of range"))?;
    // Never empty: an empty message is the end of the socket to whoever reads it.
    let modules = modules.iter().map(String::as_str).chain([""]);
    send(control.as_fd(), &strings(modules), &[])?;
    Ok(Started { main, control, output, status, program })
}

/// Waits for the interpreter's first word. The outer error is the worker's end.
fn await_word(
    pid1: &mut Pid1,
    (control, output): (&OwnedFd, &OwnedFd),
    until: Instant,
    written: &mut Vec<u8>,
) -> Result<Result<Vec<u8>, String>, Stop> {
    loop {
        let mut interest = Interest::new();
        interest.hang_up(Source::Input, pid1.link.input.as_fd());
        interest.read(Source::Signals, pid1.link.signals.as_fd());
        interest.read(Source::Template, control.as_fd());
        interest.read(Source::TemplateOutput, output.as_fd());
        let woken = interest.wait(Some(until)).map_err(|error| Stop::ours("wait", error))?;
        if woken.has(Source::Input) {
            return Err(Stop::Gone);
        }
        if woken.has(Source::Signals) {
            pid1.link.take_signals(&mut pid1.reaper)?;
        }
        if woken.has(Source::TemplateOutput) {
            read_output(output, written);
        }
        if woken.has(Source::Template) {
            let mut word = vec![0; OUTPUT_BYTES_MAX];
            match receive(control.as_fd(), &mut word) {
                // Reset: it ended, and had not even read what it was sent.
                Ok(0) | Err(Errno::CONNRESET) => return Ok(Err("it ended before it was ready".to_owned())),
                Ok(bytes) => {
                    word.truncate(bytes);
                    return Ok(Ok(word));
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Ok(Err(format!("its socket cannot be read: {error}"))),
            }
        }
        if pid1.reaper.template().is_none() {
            read_output(output, written);
            return Ok(Err("it ended before it was ready".to_owned()));
        }
        if Instant::now() >= until {
            return Ok(Err("it was not ready in time".to_owned()));
        }
    }
}

/// Keeps the beginning, and takes the rest so that nobody is held up.
fn read_output(output: &OwnedFd, written: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    while let Ok(bytes) = rustix::io::read(output, &mut buffer) {
        if bytes == 0 {
            return;
        }
        let room = OUTPUT_BYTES_MAX.saturating_sub(written.len());
        written.extend(buffer.iter().take(bytes.min(room)));
    }
}

fn launch_report(status: &OwnedFd) -> Option<String> {
    let mut buffer = [0; STATUS_BYTES_MAX];
    let bytes = rustix::io::read(status, &mut buffer).ok()?;
    let error = interpret(buffer.get(..bytes)?).err()?;
    Some(format!("{}: {}; ", error.step, error.message))
}

/// Starts a program: by way of the warm interpreter where there is one and it may be, plainly otherwise.
pub(super) fn launch(pid1: &mut Pid1, start: Start) -> Result<Result<(Main, Spawned), LaunchError>, Stop> {
    if pid1.reaper.template().is_none() {
        pid1.template = None;
    }
    let Some(mut template) = pid1.template.take() else { return spawn::spawn(start) };
    if !start.warm || start.probe.is_some() {
        if start.last {
            drop(template);
            end_template(pid1)?;
        } else {
            pid1.template = Some(template);
        }
        return spawn::spawn(start);
    }
    if start.last {
        pid1.keep_place()?;
    }
    let (ours, theirs) = spawn::make_pipes(&start)?;
    match template.begin(&start, !start.last, theirs, &ours.status) {
        Ok(pid) if start.last => {
            pid1.reaper.forget_template();
            template.main.begin_accounts();
            debug_assert_eq!(pid, template.main.pid());
            Ok(Ok((template.main, ours)))
        }
        Ok(pid) => {
            pid1.template = Some(template);
            Ok(Ok((Main::forked(pid), ours)))
        }
        Err(reason) => {
            complain(&format!("the warm interpreter is given up, and the program starts plainly: {reason}"));
            drop((template, ours));
            end_template(pid1)?;
            spawn::spawn(start)
        }
    }
}

/// Kills the warm interpreter and whatever it has begun; nothing of a job runs yet.
fn end_template(pid1: &mut Pid1) -> Result<(), Stop> {
    let killed = kill::everything(&pid1.processes, &mut pid1.reaper, &pid1.link.signals);
    pid1.reaper.forget_template();
    if killed.clean { pid1.keep_place() } else { Err(Stop::ours("warm", "the warm interpreter could not be killed")) }
}

fn sleep_for_ever() -> ! {
    loop {
        thread::park();
    }
}

impl Pid1 {
    /// Takes the warm interpreter's word for the end of the main process, if that is its child and the word is there.
    pub(super) fn hear_of_child(&mut self, wait: bool) {
        if self.reaper.main_end().is_none()
            && let Some(end) = self.template.as_ref().and_then(|template| template.end_of_child(wait))
        {
            self.reaper.end_forked(end);
        }
    }

    /// After a run: the warm interpreter waits for the next one, or is gone for a reason that the run gives.
    pub(super) fn settle_template(&mut self, killed: bool, counts: Counts) -> Result<(), Stop> {
        if let Some(template) = &mut self.template {
            if template.told().is_some() && self.reaper.template().is_some() && self.reaper.main_end().is_none() {
                return Err(Stop::ours("warm", "the warm interpreter does not say how its child ended"));
            }
            template.child_is_gone();
        }
        if self.reaper.template().is_none() {
            self.template = None;
        }
        // Its child ended with it, and nobody can say how that would have ended. Only the kernel has a reason to end it.
        if self.reaper.has_lost_template() && !killed && counts.oom_kills == 0 {
            return Err(Stop::ours("warm", "the warm interpreter ended while its program ran"));
        }
        if self.template.is_none() && (killed || self.reaper.has_lost_template()) {
            self.reaper.forget_template();
            self.keep_place()?;
        }
        Ok(())
    }

    /// The container has a place for the interpreter beside those of the job. Where there is none any more, or it is the
    /// program, a thread of ours that sleeps for ever takes it: it is not the job's.
    fn keep_place(&mut self) -> Result<(), Stop> {
        if !std::mem::replace(&mut self.place_kept, true) {
            let sleeper = Builder::new().stack_size(SLEEPER_STACK_BYTES).spawn(|| {
                sleep_for_ever();
            });
            sleeper.map_err(|error| Stop::ours("keep the interpreter's place", error))?;
        }
        Ok(())
    }
}

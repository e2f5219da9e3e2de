//! A tree of processes that does not want to die.
//!
//! Every process of it has a session of its own and takes no signal but the two that cannot be refused. Some stay; one
//! makes a successor and goes, again and again, so that a killer who lists processes and then kills them comes too late.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::sys::signal::SigSet;
use tester_runner::found::{NO_TREE, STUBBORN};

use crate::complain;

/// The mode of the runner that is one process of the tree.
pub(crate) const MODE: &str = "stubborn";

/// Processes that stay.
const STAY: usize = 3;

/// What a process of the tree does.
const ROLE_STAY: &str = "stay";
const ROLE_MOVE: &str = "move";

/// Plants the tree and stays as its root.
pub(super) fn plant(copy: Option<&File>) -> io::Result<()> {
    SigSet::all().thread_block()?;
    say(STUBBORN)?;
    let Some(copy) = copy else {
        say(NO_TREE)?;
        sleep()
    };
    let copy = copy.as_raw_fd().to_string();
    for role in [ROLE_STAY; STAY].into_iter().chain([ROLE_MOVE]) {
        match start(&copy, role) {
            // A sandbox for fewer processes has a smaller tree.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            started => started?,
        }
    }
    sleep()
}

/// One process of the tree.
pub(crate) fn main(copy: &str, role: &str) -> ExitCode {
    if let Err(error) = stand(copy, role) {
        complain(&format!("a stubborn process ended: {error}"));
    }
    ExitCode::FAILURE
}

fn stand(copy: &str, role: &str) -> io::Result<()> {
    SigSet::all().thread_block()?;
    rustix::process::setsid()?;
    say(STUBBORN)?;
    if role == ROLE_MOVE { start(copy, ROLE_MOVE) } else { sleep() }
}

/// In one piece, for all of them write into one pipe.
fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(format!("{line}\n").as_bytes())?;
    stdout.flush()
}

/// The copy is inherited by its number. Nobody waits for the child: it is PID 1's before long.
fn start(copy: &str, role: &str) -> io::Result<()> {
    Command::new(format!("/proc/self/fd/{copy}")).args([MODE, copy, role]).env_clear().spawn().map(drop)
}

fn sleep() -> ! {
    loop {
        std::thread::sleep(Duration::from_hours(1));
    }
}

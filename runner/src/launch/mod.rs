//! The launcher: a fresh execution of the runner that confines itself step by step and then becomes the program.
//!
//! It starts as root with an empty environment, so nothing of the job can steer it (no `LD_*`, no `GLIBC_TUNABLES`).

mod seccomp;
mod spec;
mod steps;
mod syscalls;
#[cfg(feature = "without-walls")]
mod without;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::process::ExitCode;

use tester_runner::message::LaunchError;
use tester_runner::walls::{Wall, gone};

use crate::complain;
use crate::probe::Prober;
use crate::status::{ABOUT_TO_EXECUTE, STEP_EXEC};

pub(crate) use spec::Spec;
pub(crate) use steps::{check_powerless, check_template, look_up};

/// The errno of an error that has none of its own (a NUL in an argument, say).
const ERRNO_INVALID: i32 = nix::libc::EINVAL;

/// Becomes the program that the file with the number `spec_fd` describes, or says on `status_fd` why not.
pub(crate) fn main(spec_fd: &str, status_fd: &str) -> ExitCode {
    let mut status = match reopen_for_writing(status_fd) {
        Ok(status) => status,
        Err(error) => {
            complain(&format!("the launcher cannot open its status pipe: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let error = match launch(spec_fd, &mut status) {
        Ok(prober) => {
            // What an execution does by itself: the closed pipe tells PID 1 that the program runs.
            drop(status);
            return prober.run();
        }
        Err(error) => error,
    };
    let report = serde_json::to_vec(&error).unwrap_or_default();
    if let Err(failed) = status.write_all(&report) {
        complain(&format!("the launcher cannot report `{}`: {failed}", error.step));
    }
    ExitCode::FAILURE
}

/// Runs every step. A program it becomes; so it returns with a probe of our own that is to run now, or when a step failed.
fn launch(spec_fd: &str, status: &mut File) -> Result<Prober, LaunchError> {
    let (spec, prober) = prepare(spec_fd, status)?;
    prober.ok_or_else(|| failed(STEP_EXEC, &steps::execute(&spec)))
}

fn prepare(spec_fd: &str, status: &mut File) -> Result<(Spec, Option<Prober>), LaunchError> {
    let spec = read_spec(spec_fd).map_err(|error| failed("spec", &error))?;
    // While this process may still read its own executable.
    let prober = spec.probe.map(Prober::new).transpose().map_err(|error| failed("probe", &error))?;
    let in_order = if spec.template.is_some() { steps::OF_A_TEMPLATE } else { steps::IN_ORDER };
    for (step, run) in in_order {
        #[cfg(not(feature = "without-walls"))]
        let done = run(&spec);
        #[cfg(feature = "without-walls")]
        let done = without::run(step, *run, &spec);
        done.map_err(|error| failed(step, &error))?;
    }
    let mut kept = vec![Some(status.as_raw_fd()), prober.as_ref().and_then(Prober::descriptor), spec.template];
    if gone(Wall::Descriptors) {
        kept.push(spec_fd.parse().ok());
    }
    close_others(&kept).map_err(|error| failed("descriptors", &error))?;
    if spec.template.is_none() {
        steps::limit_open_files(&spec).map_err(|error| failed("open_files", &error))?;
    }
    // From here the deny-list holds; it leaves everything that the rest needs.
    steps::deny_system_calls().map_err(|error| failed("seccomp", &error))?;
    status.write_all(&[ABOUT_TO_EXECUTE]).map_err(|error| failed("status", &error))?;
    Ok((spec, prober))
}

fn failed(step: &str, error: &io::Error) -> LaunchError {
    LaunchError {
        step: step.to_owned(),
        errno: error.raw_os_error().unwrap_or(ERRNO_INVALID),
        message: error.to_string(),
    }
}

/// Opens an inherited descriptor anew, now close-on-exec. The inherited one is closed with the others.
fn reopen_for_writing(number: &str) -> io::Result<File> {
    let number: RawFd = number.parse().map_err(io::Error::other)?;
    File::options().write(true).open(format!("/proc/self/fd/{number}"))
}

fn read_spec(number: &str) -> io::Result<Spec> {
    let number: RawFd = number.parse().map_err(io::Error::other)?;
    let bytes = fs::read(format!("/proc/self/fd/{number}"))?;
    serde_json::from_slice(&bytes).map_err(io::Error::other)
}

/// Closes every descriptor but stdio and those of `kept`, so that the program starts with exactly three.
fn close_others(kept: &[Option<RawFd>]) -> io::Result<()> {
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        if let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) {
            open.push(number);
        }
    }
    for number in open {
        if number > 2 && !kept.contains(&Some(number)) {
            match nix::unistd::close(number) {
                // The listing's own descriptor was in the list, and is closed already.
                Ok(()) | Err(nix::errno::Errno::EBADF) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

//! The launcher's steps without one wall, in a build for tests only: see `tester_runner::walls`.

use std::io;

use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySets, capabilities, configure_capability_in_ambient_set, set_capabilities};
use tester_runner::walls::{Wall, gone};

use super::Spec;
use super::steps::Step;

/// Runs a step, or what is left of it.
pub(super) fn run(name: &str, step: Step, spec: &Spec) -> io::Result<()> {
    match name {
        "oom_score" if gone(Wall::OomPreference) => Ok(()),
        "limits" if gone(Wall::CoreDumps) => {
            let bytes = Some(spec.file_bytes);
            Ok(rustix::process::setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum: bytes })?)
        }
        "uid" if gone(Wall::Capabilities) => {
            rustix::thread::set_keep_capabilities(true)?;
            step(spec)
        }
        "capabilities" if gone(Wall::Capabilities) => hand_on_capabilities(),
        "verify" if gone(Wall::Capabilities) || gone(Wall::NoNewPrivileges) => Ok(()),
        _ => step(spec),
    }
}

/// Gives the program what PID 1 has: a change of uid and an execution would take it otherwise.
fn hand_on_capabilities() -> io::Result<()> {
    let held = capabilities(None)?.permitted;
    set_capabilities(None, CapabilitySets { effective: held, permitted: held, inheritable: held })?;
    for capability in held {
        configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

//! PID 1 of every sandbox, and the launcher that it starts itself again as. See `docs/runner.md`.

mod clock;
mod collect;
mod launch;
mod pid1;
mod probe;
mod status;
mod support;
mod unpack;

use std::io::Write as _;
use std::process::ExitCode;

/// Exit status for arguments that name no mode.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["pid1"] => pid1::main(),
        ["launch", spec_fd, status_fd] => launch::main(spec_fd, status_fd),
        [probe::STUBBORN_MODE, copy_fd, role] => probe::stubborn(copy_fd, role),
        _ => {
            complain("usage: tester-runner pid1   (only as PID 1 of a sandbox's container)");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// Says something on stderr, which is the container's and never the program's. Nobody may be listening; that is fine.
fn complain(message: &str) {
    drop(writeln!(std::io::stderr(), "tester-runner: {message}"));
}

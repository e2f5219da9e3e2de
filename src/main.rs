//! The one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    tester_worker::cli::run(std::env::args_os())
}

//! The support files that programs need and that only root may change.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;

/// The pytest driver, as it is placed at [`tester_runner::PYTEST_DRIVER`].
const PYTEST_DRIVER_SOURCE: &str = include_str!("pytest_driver.py");

/// Writes the support files into the sandbox's own tmpfs.
pub(crate) fn place() -> io::Result<()> {
    fs::write(tester_runner::PYTEST_DRIVER, PYTEST_DRIVER_SOURCE)?;
    // The umask hides new files from the job; this one it has to read.
    fs::set_permissions(tester_runner::PYTEST_DRIVER, Permissions::from_mode(0o644))
}

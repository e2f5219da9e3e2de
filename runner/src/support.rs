//! The support files that programs need and that only root may change.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The pytest driver, as it is placed at [`tester_runner::PYTEST_DRIVER`].
const PYTEST_DRIVER_SOURCE: &str = include_str!("pytest_driver.py");

/// What makes a Python interpreter a warm one, as it is placed in [`tester_runner::WARM_DIR`].
const WARM_SOURCE: &str = include_str!("warm/sitecustomize.py");

/// Writes the support files into the sandbox's own tmpfs.
pub(crate) fn place() -> io::Result<()> {
    fs::write(tester_runner::PYTEST_DRIVER, PYTEST_DRIVER_SOURCE)?;
    // The umask hides new files from the job; this one it has to read.
    fs::set_permissions(tester_runner::PYTEST_DRIVER, Permissions::from_mode(0o644))
}

/// Writes what a warm interpreter needs; once, for a sandbox that is to have one.
pub(crate) fn place_warm() -> io::Result<()> {
    fs::create_dir(tester_runner::WARM_DIR)?;
    fs::write(Path::new(tester_runner::WARM_DIR).join("sitecustomize.py"), WARM_SOURCE)?;
    // Root's alone, and not even root's to write: the interpreter would leave its compiled form there.
    fs::set_permissions(tester_runner::WARM_DIR, Permissions::from_mode(0o500))
}

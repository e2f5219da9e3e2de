//! The frame protocol between the worker and the runner, the program that is PID 1 of every sandbox.
//!
//! Both sides use this library, so there is one definition of a frame and of every message. The worker speaks over the
//! container's attached stdin and stdout; the runner keeps its own stdin and stdout to itself and gives programs pipes
//! of their own, so no program can write a frame.
//!
//! The order of one run:
//!
//! ```text
//! worker                                   runner
//!   |  <------------------------- Ready ---  | once, after start
//!   |  --- Warm ------------------------>    | once or never: an interpreter that waits for its program
//!   |  <------------------------ Warmed ---  |
//!   |  --- Start ----------------------->    | what to run, as whom, within which limits
//!   |  --- Tar ... Tar(empty) ---------->    | the job's files, unpacked as the job's uid
//!   |  <----------------------- Started ---  | the program was executed (or Ended says why not)
//!   |  --- Stdin ... Stdin(empty) ------>    | never more than the credit the runner gave
//!   |  <----- StdinCredit, Stdout, Stderr, Report ---
//!   |  --- Cancel (at any time) -------->    |
//!   |  <------------------------- Ended ---  | evidence; every process of the job is gone
//!   |  --- List, Fetch (any number) ---->    | what the job left in its folder, until the next Start
//!   |  <---- Listing ... Listed, File ... FileEnd ---
//!   |  --- Reset ----------------------->    | nothing of the run is needed any more
//!   |  <----------------------- Emptied ---  | the sandbox is as it was before its first run
//! ```
//!
//! End of file on the runner's stdin at any time kills everything and ends the runner.

pub mod found;
pub mod frame;
pub mod listing;
pub mod message;
pub mod walls;

/// Version of frames and messages. The runner is embedded in the worker, so a mismatch means a foreign runner volume.
pub const PROTOCOL_VERSION: u32 = 3;

/// Bytes of stdin that the worker may send before the runner has given any credit.
pub const STDIN_CREDIT_BYTES_INITIAL: u32 = 65_536;

/// The job's working folder: a tmpfs, and the program's `HOME`.
pub const BOX_DIR: &str = "/box";

/// The runner's own folder of support files: a tmpfs that only root can write.
pub const SUPPORT_DIR: &str = "/tester";

/// The named pipe into which a test driver writes its report, one JSON document a line.
pub const REPORT_FIFO: &str = "/tester/report";

/// The pytest driver that the runner places into [`SUPPORT_DIR`] when it starts.
pub const PYTEST_DRIVER: &str = "/tester/pytest_driver.py";

/// The folder in [`SUPPORT_DIR`] whose `sitecustomize.py` makes a Python interpreter a warm one.
pub const WARM_DIR: &str = "/tester/warm";

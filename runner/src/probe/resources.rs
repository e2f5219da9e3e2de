//! Taking more of something than there may be.

use std::fs;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::thread;

use nix::errno::Errno;
use tester_runner::found::{self, Made, Touched};

/// Bytes that are written at once.
const FLOOD_BYTES: usize = 251 * 256;

/// Stack of a thread that does nothing.
const STACK_BYTES: usize = 65_536;

/// Bytes that are touched between two lines.
const CHUNK_BYTES: usize = 4 * 1_048_576;

/// No page is smaller.
const PAGE_BYTES: usize = 4096;

/// Writes to stdout until it is killed.
pub(super) fn flood() -> io::Result<()> {
    // A whole number of rounds, so that every block goes on where the one before it ended.
    let block: Vec<u8> = found::flood(0).take(FLOOD_BYTES).collect();
    let mut stdout = io::stdout().lock();
    loop {
        stdout.write_all(&block)?;
    }
}

/// Makes threads until it is refused.
pub(super) fn make_threads(most: u64) -> Made {
    let mut made = Made { threads: 1, refused: None };
    while made.threads < most {
        match thread::Builder::new().stack_size(STACK_BYTES).spawn(thread::park) {
            // Detached, and at rest until the process ends.
            Ok(_thread) => made.threads += 1,
            Err(error) => {
                made.refused = Some(name(&error));
                break;
            }
        }
    }
    made
}

/// Spins on this many threads until it is killed.
pub(super) fn spin(threads: u64) -> io::Result<()> {
    for _ in 1..threads {
        thread::Builder::new().stack_size(STACK_BYTES).spawn(spin_on)?;
    }
    spin_on()
}

fn spin_on() -> ! {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

/// Touches page after page, and says before each chunk how far it is.
pub(super) fn touch(most_bytes: u64) -> io::Result<()> {
    let mut kept = Vec::new();
    let mut touched = Touched::default();
    while touched.bytes < most_bytes {
        let mut chunk = vec![0_u8; CHUNK_BYTES];
        chunk.iter_mut().step_by(PAGE_BYTES).for_each(|byte| *byte = 1);
        kept.push(black_box(chunk));
        touched =
            Touched { bytes: touched.bytes + u64::try_from(CHUNK_BYTES).unwrap_or(0), swapped_bytes: swapped_bytes() };
        super::say(&touched)?;
    }
    io::stdout().flush()
}

/// The kernel counts in KiB.
fn swapped_bytes() -> u64 {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmSwap:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        })
        .unwrap_or(0)
        .saturating_mul(1024)
}

/// The name of an error, as in the manual.
pub(super) fn name(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |number| format!("{:?}", Errno::from_raw(number)))
}

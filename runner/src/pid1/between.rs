//! Between two runs: waiting for the next order, and answering what the worker asks of the job's folder.

use rustix::io::Errno;
use tester_runner::frame::{DATA_BYTES_MAX, Kind};
use tester_runner::message::{FileEnd, List, Listed, Start};

use super::input::Order;
use super::reset::Origin;
use super::{Pid1, Stop, as_job, warm};
use crate::collect::{self, Walk};

/// Waits for the next `Start`. Frames of the run before it, which were under way when it ended, are dropped.
pub(super) fn next_start(pid1: &mut Pid1) -> Result<Start, Stop> {
    loop {
        match pid1.link.wait_order(&mut pid1.reaper)? {
            Order::Warm => {
                let order = serde_json::from_slice(pid1.link.input.payload())
                    .map_err(|error| Stop::ours("warm", format!("the order cannot be read: {error}")))?;
                warm::warm_up(pid1, order)?;
            }
            Order::Start => {
                let start = serde_json::from_slice(pid1.link.input.payload())
                    .map_err(|error| Stop::ours("start", format!("the start message cannot be read: {error}")))?;
                pid1.link.input.shrink();
                return Ok(start);
            }
            Order::List => list(pid1)?,
            Order::Fetch => fetch(pid1)?,
            Order::Reset => {
                pid1.origin.as_ref().map_or(Ok(()), Origin::is_closed)?;
                reset(pid1)?;
                pid1.link.output.control(Kind::Emptied, &[])?;
                pid1.link.flush()?;
            }
            Order::Tar | Order::Stdin | Order::Cancel => {}
        }
    }
}

/// Has the sandbox as it was before its first run, and shows it.
pub(super) fn reset(pid1: &mut Pid1) -> Result<(), Stop> {
    let Some(uid) = pid1.previous_uid else { return Ok(()) };
    let Some(origin) = &pid1.origin else { return Err(Stop::ours("reset", "nobody knows how the sandbox was")) };
    if !pid1.usable {
        return Err(Stop::ours("reset", "processes of the run before could not be killed"));
    }
    if !pid1.emptied {
        origin.empty(uid)?;
        pid1.emptied = true;
    }
    origin.prove(&pid1.processes, pid1.reaper.template(), &pid1.link.signals)
}

/// The ids of the run before; there is nothing to look at without one, or while something of it may be alive.
fn job_before(pid1: &Pid1) -> Result<u32, Stop> {
    pid1.previous_uid
        .filter(|_| pid1.usable && !pid1.emptied)
        .ok_or_else(|| Stop::ours("collect", "no run has ended cleanly before"))
}

fn list(pid1: &mut Pid1) -> Result<(), Stop> {
    let uid = job_before(pid1)?;
    let order: List = serde_json::from_slice(pid1.link.input.payload()).map_err(|error| Stop::ours("list", error))?;
    let truncated = as_job(uid, || send_listing(pid1, order))??;
    pid1.link.send_message(Kind::Listed, &Listed { truncated })
}

/// Sends entries, as many as fit into a frame at once; whether there are more than were asked for.
fn send_listing(pid1: &mut Pid1, order: List) -> Result<bool, Stop> {
    let failed = |error: Errno| Stop::ours("list", format!("the job's folder cannot be read: {error}"));
    let mut walk = Walk::new(order.depth_max).map_err(failed)?;
    let mut waiting = None;
    let mut listed = 0;
    loop {
        pid1.link.flush()?;
        let space = pid1.link.output.payload_space(DATA_BYTES_MAX);
        let mut used = 0;
        let ended = loop {
            let next = match waiting.take() {
                Some(entry) => Some(entry),
                None if listed >= order.entries_max => break Some(walk.next().map_err(failed)?.is_some()),
                None => walk.next().map_err(failed)?,
            };
            let Some(entry) = next else { break Some(false) };
            let Some(end) = entry.write(space, used) else {
                waiting = Some(entry);
                break None;
            };
            used = end;
            listed += 1;
        };
        if used > 0 {
            pid1.link.output.commit(Kind::Listing, used)?;
        }
        if let Some(truncated) = ended {
            pid1.link.flush()?;
            return Ok(truncated);
        }
    }
}

fn fetch(pid1: &mut Pid1) -> Result<(), Stop> {
    let uid = job_before(pid1)?;
    let path = pid1.link.input.payload().to_vec();
    let error = match as_job(uid, || collect::open(&path))? {
        Ok(file) => loop {
            pid1.link.flush()?;
            let space = pid1.link.output.payload_space(DATA_BYTES_MAX);
            match rustix::io::read(&file, space) {
                Ok(0) => break None,
                Ok(bytes) => pid1.link.output.commit(Kind::File, bytes)?,
                Err(Errno::INTR) => {}
                Err(error) => break Some(error.to_string()),
            }
        },
        Err(reason) => Some(reason),
    };
    pid1.link.flush()?;
    pid1.link.send_message(Kind::FileEnd, &FileEnd { error })
}

//! What a process of this host has used, from `/proc`.

use std::fs::read_to_string;

use super::super::failure::Failure;

/// Milliseconds of one clock tick in `/proc`: the kernel shows 100 a second to programs whatever its own clock is.
const TICK_MILLISECONDS: f64 = 10.0;

/// What a process has used so far, and uses now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Used {
    /// Time on a CPU, of all threads. Children, and so sandboxes, are not in it.
    pub(super) cpu_milliseconds: f64,
    /// Resident memory.
    pub(super) rss_mebibytes: f64,
}

/// Looks at a process.
pub(super) fn look(pid: u32) -> Result<Used, Failure> {
    let read = |name: &str| {
        let path = format!("/proc/{pid}/{name}");
        read_to_string(&path).map_err(|error| Failure::usage(anyhow::Error::new(error).context(path)))
    };
    of(&read("stat")?, &read("status")?)
        .ok_or_else(|| Failure::fault(anyhow::anyhow!("/proc/{pid} has no times or no memory: has the process ended?")))
}

fn of(stat: &str, status: &str) -> Option<Used> {
    // The name of the program comes second and may hold anything; fields are counted from behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<f64>)
        .collect::<Result<Vec<_>, _>>()
        .ok()?
        .iter()
        .sum();
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
    Some(Used {
        cpu_milliseconds: ticks * TICK_MILLISECONDS,
        rss_mebibytes: kibibytes.trim().parse::<f64>().ok()? / 1024.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_memory_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 5 5 20 0 9";
        let used = of(stat, "Name:\tx\nVmRSS:\t    2048 kB\n");
        assert_eq!(used, Some(Used { cpu_milliseconds: 420.0, rss_mebibytes: 2.0 }));
        assert_eq!(of(stat, "Name:\tzombie\n"), None);
    }
}

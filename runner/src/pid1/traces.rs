//! What a program can leave in the kernel and not in a file: sockets that outlive their process, queues, memory.
//!
//! A connection that was closed is kept for a minute, with its port numbers; a flow label, as long as its maker likes. No
//! process has them, so no kill ends them. Where there is more of anything than before the first run, somebody left it.

use std::fs;

use super::cgroup::{self, Counter};

/// Lists of what exists in the network and IPC namespaces. They say the same while there is nothing but their heading; a
/// kernel may lack some.
const LISTS: [&str; 5] =
    ["/proc/sysvipc/msg", "/proc/sysvipc/sem", "/proc/sysvipc/shm", "/proc/net/ip6_flowlabel", "/proc/net/unix"];

/// Counts of sockets by protocol. The long lists would take the kernel a walk through the tables of the whole host.
const SOCKETS: [&str; 2] = ["/proc/net/sockstat", "/proc/net/sockstat6"];

/// The counts in [`SOCKETS`] that are those of the own namespace; the others are the host's.
const OWN_COUNTS: [&str; 3] = ["used", "inuse", "tw"];

/// By so much the kernel's sum of memory may be late, and the runner's own have grown: an order of many arguments is held in
/// memory while it is carried out.
const MEMORY_SLACK_BYTES: u64 = 4 * 1_048_576;

/// The counters that are looked at, open, and what they said before anything of a job ran.
pub(super) struct Traces {
    memory: Vec<Counter>,
    before: Seen,
}

/// What there was at one moment.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// Lines in each of [`LISTS`].
    lines: Vec<usize>,
    /// The counts of [`SOCKETS`] with their names.
    sockets: Vec<(String, u64)>,
    /// Memory that belongs to processes, to files in memory, or to both.
    memory_bytes: u64,
}

impl Traces {
    /// Looks now.
    pub(super) fn find() -> Self {
        let memory: Vec<_> = [cgroup::ANONYMOUS, cgroup::SHARED].into_iter().filter_map(Counter::open).collect();
        let before = look(&memory);
        Self { memory, before }
    }

    /// Says what there is more of than there was, if there is.
    pub(super) fn difference(&self) -> Option<String> {
        more(&self.before, &look(&self.memory))
    }
}

fn look(memory: &[Counter]) -> Seen {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    Seen {
        lines: LISTS.iter().map(|path| read(path).lines().count()).collect(),
        sockets: SOCKETS.iter().flat_map(|path| own_counts(&read(path))).collect(),
        memory_bytes: memory.iter().filter_map(Counter::read).sum(),
    }
}

/// The counts of the own namespace: lines are `PROTOCOL: name number name number…`.
fn own_counts(text: &str) -> Vec<(String, u64)> {
    let mut counts = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(protocol) = words.next() else { continue };
        while let (Some(name), Some(number)) = (words.next(), words.next()) {
            if OWN_COUNTS.contains(&name)
                && let Ok(number) = number.parse()
            {
                counts.push((format!("{protocol} {name}"), number));
            }
        }
    }
    counts
}

fn more(before: &Seen, now: &Seen) -> Option<String> {
    let lists = LISTS.iter().zip(before.lines.iter().zip(&now.lines));
    for (path, (before, now)) in lists {
        if now > before {
            return Some(format!("{path} has {now} lines, and had {before}"));
        }
    }
    let known = |name: &str| before.sockets.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count);
    for (name, count) in &now.sockets {
        if *count > known(name) {
            return Some(format!("sockets ({name}): {count}, and there were {}", known(name)));
        }
    }
    let (now, before) = (now.memory_bytes, before.memory_bytes);
    (now > before.saturating_add(MEMORY_SLACK_BYTES))
        .then(|| format!("{now} bytes of memory are held, and {before} were"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "sockets: used 1\nTCP: inuse 0 orphan 7 tw 0 alloc 90 mem 3\nUDP: inuse 0 mem 0\n";

    fn seen(lines: usize, sockets: &str, memory_bytes: u64) -> Seen {
        Seen { lines: vec![lines; LISTS.len()], sockets: own_counts(sockets), memory_bytes }
    }

    #[test]
    fn whatever_there_is_more_of_is_told() {
        let before = seen(1, BEFORE, 1000);
        let rows = [
            (seen(2, BEFORE, 1000), "sysvipc"),
            (seen(1, &BEFORE.replace("tw 0", "tw 1"), 1000), "TCP: tw"),
            (seen(1, &BEFORE.replace("used 1", "used 2"), 1000), "sockets: used"),
            (seen(1, &format!("{BEFORE}TCP6: inuse 1"), 1000), "TCP6: inuse"),
            (seen(1, BEFORE, 1001 + MEMORY_SLACK_BYTES), "memory"),
        ];
        for (now, word) in rows {
            let told = more(&before, &now).unwrap_or_default();
            assert!(told.contains(word), "{word}: {told}");
        }
    }

    #[test]
    fn what_the_whole_host_has_and_what_there_is_less_of_is_nobodys() {
        let before = seen(1, BEFORE, 10_000_000);
        assert_eq!(more(&before, &seen(1, &BEFORE.replace("orphan 7", "orphan 8"), 1000)), None);
        assert_eq!(more(&before, &seen(0, "", 0)), None);
    }
}

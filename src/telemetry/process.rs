//! What the kernel says about this process, read at each scrape.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::time::Instant;

/// Reads `/proc/self`; what cannot be read is left out.
#[derive(Debug)]
pub(in crate::telemetry) struct Process {
    started: Instant,
}

impl Process {
    /// A reader for this process; its uptime begins now.
    pub(in crate::telemetry) fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: Option<i64>| {
            let Some(value) = value else { return Ok(()) };
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = field(&status, "VmRSS:").and_then(|kibibytes| kibibytes.checked_mul(1024));
        gauge("process_resident_memory_bytes", "Memory of the worker itself, sandboxes apart", resident)?;
        gauge("process_threads", "Threads of the worker", field(&status, "Threads:"))?;
        let descriptors = fs::read_dir("/proc/self/fd").ok().and_then(|entries| i64::try_from(entries.count()).ok());
        gauge("process_open_fds", "Open descriptors of the worker", descriptors)?;
        let uptime = i64::try_from(self.started.elapsed().as_secs()).ok();
        gauge("uptime_seconds", "Time since the worker's start", uptime)
    }
}

/// The number after a name in `/proc/self/status`.
fn field(status: &str, name: &str) -> Option<i64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let status = "Name:\tx\nVmRSS:\t  1234 kB\nThreads:\t7\n";
        assert_eq!((field(status, "VmRSS:"), field(status, "Threads:")), (Some(1234), Some(7)));
        assert_eq!(field(status, "VmSwap:"), None);
    }
}

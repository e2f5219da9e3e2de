//! The options of `bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::super::args::Sender;
use super::load::Extent;
use super::programs::Program;

/// `bench`
#[derive(Debug, Args)]
pub struct Bench {
    /// What to run (repeatable)
    #[arg(long = "program", value_name = "NAME", value_enum, default_values_t = Program::ALL)]
    pub programs: Vec<Program>,
    /// Clients at once, one row of the report for each number
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1, 2, 4, 8], value_parser = clients)]
    pub clients: Vec<usize>,
    /// How long to measure each row; every client sends at least one job
    #[arg(long, value_name = "SECONDS", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Jobs of each row, however long they take [default: as many as come through in --seconds]
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Class of the jobs: the queue they go to
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub class: String,
    /// How long to wait for one result
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout_seconds: u64,
    /// Process id of the one worker, if it runs on this host: its CPU time and its memory are reported too
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub worker_pid: Option<u32>,
    /// Whose keys.
    #[command(flatten)]
    pub sender: Sender,
    /// Print the report on stdout as one JSON document
    #[arg(long)]
    pub json: bool,
    /// Draw the report into this file, SVG
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

impl Bench {
    /// How much each client of so many does.
    pub(super) fn extent(&self, clients: usize) -> Extent {
        match self.jobs {
            // Each client sends the same number of jobs.
            Some(jobs) => Extent::Jobs(jobs.div_ceil(clients)),
            None => Extent::Time(Duration::from_secs(self.seconds)),
        }
    }
}

fn clients(text: &str) -> Result<usize, String> {
    whole(text, 256)
}

fn jobs(text: &str) -> Result<usize, String> {
    whole(text, 1_000_000)
}

fn whole(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("it must be a whole number of 1 to {most}"))
}

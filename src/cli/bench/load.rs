//! Clients that each send a job, wait for its verified result, and send the next.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indicatif::ProgressBar;
use serde::Serialize;
use tokio::sync::Barrier;
use tokio::time::Instant;
use uuid::Uuid;

use super::super::failure::Failure;
use super::super::signer::Sender;
use super::process::{self, Used};
use super::programs::Program;
use crate::broker::Settings;
use crate::broker::client::{ReplyQueue, Submission, Submitter};
use crate::domain::job::JobKey;
use crate::domain::verdict::Status;
use crate::protocol::job_writer::{JobDraft, Stamp, sign_job};
use crate::protocol::result::{Expected, verify_result};

/// What every client needs.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) settings: Settings,
    pub(super) sender: Sender,
    pub(super) audience: String,
    pub(super) class: String,
    /// How long one result may take.
    pub(super) limit: Duration,
}

/// Jobs of each client that are sent before the clock starts: connections are made, caches are full.
const WARM_UP: usize = 1;

/// How much each client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// So many jobs.
    Jobs(usize),
    /// As many as it begins in this time, and one at least.
    Time(Duration),
}

impl Extent {
    /// Jobs of all clients with their warm-up, where that is known before.
    pub(super) fn jobs(self, clients: usize) -> Option<usize> {
        match self {
            Self::Jobs(jobs) => Some(clients * (jobs + WARM_UP)),
            Self::Time(_) => None,
        }
    }

    /// Whether a client that has done so many jobs since `began` is done.
    fn reached(self, jobs: usize, began: Instant) -> bool {
        match self {
            Self::Jobs(most) => jobs >= most,
            Self::Time(time) => jobs > 0 && began.elapsed() >= time,
        }
    }
}

/// One job's way, in seconds.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// From before the signature to the verified result.
    latency: f64,
    /// The same without the program's own run.
    around: f64,
    /// From the delivery to the signature of the result, by the worker's own clock, without the program's own run.
    road: f64,
    ok: bool,
}

/// One row of the report. Times in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Measured {
    pub(super) program: &'static str,
    pub(super) clients: usize,
    pub(super) jobs: usize,
    pub(super) failed: usize,
    pub(super) p50_milliseconds: f64,
    pub(super) p95_milliseconds: f64,
    pub(super) p99_milliseconds: f64,
    /// The median of what is not the program's own run: queue, sandbox, signatures, broker.
    pub(super) around_p50_milliseconds: f64,
    /// The median of what the worker adds: lease, start, verification and signature, by its own account.
    pub(super) road_p50_milliseconds: f64,
    pub(super) jobs_per_second: f64,
    /// Jobs, times the runs of each.
    pub(super) runs_per_second: f64,
    /// CPU time of the worker's process for each job; null without its process id.
    pub(super) worker_cpu_milliseconds_per_job: Option<f64>,
    /// Its resident memory when the row was done.
    pub(super) worker_rss_mebibytes: Option<f64>,
}

impl Measured {
    /// The same with what the worker used meanwhile.
    fn with_use(self, before: Option<Used>, after: Option<Used>) -> Self {
        let jobs = count(self.jobs + self.clients * WARM_UP);
        let cpu = before.zip(after).map(|(before, after)| (after.cpu_milliseconds - before.cpu_milliseconds) / jobs);
        let rss = after.map(|after| after.rss_mebibytes);
        Self { worker_cpu_milliseconds_per_job: cpu, worker_rss_mebibytes: rss, ..self }
    }
}

impl Load {
    /// Measures one program with so many clients, each of which does so much, and what the worker's process uses.
    ///
    /// # Cancel safety
    /// Dropping the future ends the clients; their jobs may still run.
    pub(super) async fn measure(
        &self,
        program: Program,
        (clients, extent): (usize, Extent),
        worker: Option<u32>,
        bar: &ProgressBar,
    ) -> Result<Measured, Failure> {
        let before = worker.map(process::look).transpose()?;
        let mut submitters = Vec::new();
        for _ in 0..clients {
            let connected = Submitter::connect(self.settings.clone(), ReplyQueue::Own).await;
            submitters.push(connected.map_err(Failure::fault)?);
        }
        // All begin to be counted at once, and the clock starts with the last of them.
        let barrier = Arc::new(Barrier::new(clients));
        let mut lanes = Vec::new();
        for submitter in submitters {
            lanes.push(self.client(program.draft(), submitter, extent, (Arc::clone(&barrier), bar)));
        }
        let done = futures_util::future::try_join_all(lanes).await?;
        let began = done.iter().map(|(began, _)| *began).min();
        let ended = Instant::now();
        let ways: Vec<Way> = done.into_iter().flat_map(|(_, ways)| ways).collect();
        let seconds = began.map_or(0.0, |began| ended.duration_since(began).as_secs_f64());
        let after = worker.map(process::look).transpose()?;
        Ok(row(program, clients, &ways, seconds).with_use(before, after))
    }

    async fn client(
        &self,
        draft: JobDraft,
        mut submitter: Submitter,
        extent: Extent,
        (barrier, bar): (Arc<Barrier>, &ProgressBar),
    ) -> Result<(Instant, Vec<Way>), Failure> {
        for _ in 0..WARM_UP {
            self.one(&draft, &mut submitter).await?;
            bar.inc(1);
        }
        barrier.wait().await;
        let began = Instant::now();
        let mut ways = Vec::new();
        while !extent.reached(ways.len(), began) {
            ways.push(self.one(&draft, &mut submitter).await?);
            bar.inc(1);
        }
        submitter.close().await;
        Ok((began, ways))
    }

    async fn one(&self, draft: &JobDraft, submitter: &mut Submitter) -> Result<Way, Failure> {
        let began = Instant::now();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let stamp = Stamp {
            key: JobKey { issuer: self.sender.issuer.clone(), id: Uuid::new_v4() },
            audience: self.audience.clone(),
            issued_at: now,
            expires_at: now.saturating_add(self.limit.as_secs()),
        };
        let draft = JobDraft { reply_to: submitter.reply_to().to_owned(), ..draft.clone() };
        let signed = sign_job(draft, stamp, &self.sender.key).map_err(Failure::usage)?;
        let message_id = signed.key.id.hyphenated().to_string();
        let submission = Submission {
            class: self.class.clone(),
            body: signed.body.clone(),
            message_id: message_id.clone(),
            correlation_id: None,
        };
        submitter.submit(&submission).await.map_err(Failure::fault)?;
        let reply = submitter.wait(&message_id, self.limit).await.map_err(Failure::fault)?;
        let expected = Expected { job: signed.key, digest: signed.digest };
        let result = verify_result(&reply.body, &self.sender.results, &expected).map_err(Failure::fault)?;
        let latency = began.elapsed().as_secs_f64();
        let timings = result.outcome.timings;
        let ran = timings.run_seconds.unwrap_or(0.0);
        let road = (timings.total_seconds.unwrap_or(0.0) - ran).max(0.0);
        Ok(Way { latency, around: (latency - ran).max(0.0), road, ok: result.outcome.run.status == Status::Ok })
    }
}

fn row(program: Program, clients: usize, ways: &[Way], seconds: f64) -> Measured {
    let sorted = |of: fn(&Way) -> f64| {
        let mut values: Vec<f64> = ways.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (latencies, around, road) = (sorted(|way| way.latency), sorted(|way| way.around), sorted(|way| way.road));
    let rate = if seconds > 0.0 { count(ways.len()) / seconds } else { 0.0 };
    Measured {
        program: program.as_str(),
        clients,
        jobs: ways.len(),
        failed: ways.iter().filter(|way| !way.ok).count(),
        p50_milliseconds: percentile(&latencies, 50) * 1000.0,
        p95_milliseconds: percentile(&latencies, 95) * 1000.0,
        p99_milliseconds: percentile(&latencies, 99) * 1000.0,
        around_p50_milliseconds: percentile(&around, 50) * 1000.0,
        road_p50_milliseconds: percentile(&road, 50) * 1000.0,
        jobs_per_second: rate,
        runs_per_second: rate * count(program.runs()),
        worker_cpu_milliseconds_per_job: None,
        worker_rss_mebibytes: None,
    }
}

/// A count as a number to reckon with.
pub(super) fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

/// The nearest-rank percentile of sorted values: the smallest of which so many percent are not above it.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        for (percent, expected) in [(50, 50.0), (95, 95.0), (99, 99.0), (100, 100.0)] {
            assert_eq!(percentile(&sorted, percent).to_bits(), f64::to_bits(expected), "{percent}");
        }
        assert_eq!(percentile(&[7.0], 99).to_bits(), 7.0_f64.to_bits());
        assert_eq!(percentile(&[], 50).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn a_row_counts_runs_and_failures() {
        let way = |latency, ok| Way { latency, around: latency / 2.0, road: latency / 4.0, ok };
        let row = row(Program::Cases, 2, &[way(0.1, true), way(0.3, false)], 2.0);
        assert_eq!((row.jobs, row.failed, row.clients), (2, 1, 2));
        assert!((row.jobs_per_second - 1.0).abs() < 1e-9 && (row.runs_per_second - 50.0).abs() < 1e-9, "{row:?}");
        assert!((row.p50_milliseconds - 100.0).abs() < 1e-9 && (row.around_p50_milliseconds - 50.0).abs() < 1e-9);
        let used = |cpu_milliseconds| Some(Used { cpu_milliseconds, rss_mebibytes: 9.0 });
        let row = row.with_use(used(10.0), used(30.0));
        // Two jobs that were counted and one of each client that was not.
        assert_eq!((row.worker_cpu_milliseconds_per_job, row.worker_rss_mebibytes), (Some(5.0), Some(9.0)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_ends_with_its_jobs_or_its_time() {
        let began = Instant::now();
        let (jobs, time) = (Extent::Jobs(2), Extent::Time(Duration::from_secs(3)));
        assert_eq!((jobs.jobs(4), time.jobs(4)), (Some(12), None));
        assert_eq!((jobs.reached(1, began), jobs.reached(2, began)), (false, true));
        tokio::time::advance(Duration::from_secs(3)).await;
        // A client that has had no result yet goes on: a row has a figure of each.
        assert_eq!((time.reached(0, began), time.reached(1, began)), (false, true));
    }
}

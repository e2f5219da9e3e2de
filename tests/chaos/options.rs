//! What a campaign is asked for: by scripts/chaos through one variable, else the short form.

use std::time::Duration;

use super::backend::Pace;
use super::schedule::Counts;
use super::support::optional_variable;

/// `name=value …`
const VARIABLE: &str = "TESTER_WORKER_TEST_CHAOS";

/// Ten minutes, one minute between two sweeps, and some more.
const LONG_SWEEP_LIMIT: Duration = Duration::from_mins(12);

/// What runs the jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boxes {
    /// Real sandboxes.
    Real,
    /// Answers without a sandbox.
    Instant,
    /// One worker with sandboxes, the others without.
    Mixed,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) jobs: usize,
    pub(crate) jobs_a_second: u32,
    pub(crate) counts: Counts,
    /// After so long no more faults begin.
    pub(crate) limit: Duration,
    pub(crate) boxes: Boxes,
    /// How long what dead workers left may take to go.
    pub(crate) sweep_limit: Duration,
    /// A fault that the workers are given, to see that it is found.
    pub(crate) defect: String,
    /// Where the report goes as JSON besides; empty: nowhere.
    pub(crate) json: String,
}

impl Options {
    /// The short form: what any run of the tests does. RabbitMQ itself is not broken, for other tests use it meanwhile.
    fn short() -> Self {
        Self {
            seed: 1,
            workers: 2,
            jobs: 60,
            jobs_a_second: 5,
            counts: Counts { kills: 10, cuts: 10, holes: 1, pauses: 1, restarts: 0, alarms: 0, docker: 1 },
            limit: Duration::from_secs(45),
            boxes: Boxes::Real,
            // One that was created and never started stays for ten minutes, which the short form does not wait for.
            sweep_limit: Duration::from_secs(10),
            defect: String::new(),
            json: String::new(),
        }
    }

    /// What the variable asks for.
    pub(crate) fn read() -> Self {
        let text = optional_variable(VARIABLE).filter(|text| !text.is_empty());
        text.map_or_else(Self::short, |text| Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut options = Self { jobs_a_second: 40, workers: 4, sweep_limit: LONG_SWEEP_LIMIT, ..Self::short() };
        for word in text.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("{VARIABLE}: `{word}` is no name=value"));
            options.set(name, value);
        }
        options
    }

    fn set(&mut self, name: &str, value: &str) {
        let number = || value.parse::<usize>().unwrap_or_else(|_| panic!("{VARIABLE}: {name}={value} is no number"));
        let wide = || u64::try_from(number()).expect("a u64");
        match name {
            "seed" => self.seed = wide(),
            "workers" => self.workers = number(),
            "jobs" => self.jobs = number(),
            "rate" => self.jobs_a_second = u32::try_from(number()).expect("a u32"),
            "kills" => self.counts.kills = number(),
            "cuts" => self.counts.cuts = number(),
            "others" => {
                // As often at each place: a hole has twelve places, the others have eight.
                self.counts.holes = number() * 12 / 8;
                self.counts.pauses = number();
                self.counts.restarts = number();
                self.counts.alarms = number();
            }
            "docker" => self.counts.docker = number(),
            "minutes" => self.limit = Duration::from_secs(60 * wide()),
            "sandboxes" => {
                self.boxes = match value {
                    "real" => Boxes::Real,
                    "instant" => Boxes::Instant,
                    "mixed" => Boxes::Mixed,
                    _ => panic!("{VARIABLE}: sandboxes={value} is none of real, instant, mixed"),
                };
            }
            "defect" => value.clone_into(&mut self.defect),
            "json" => value.clone_into(&mut self.json),
            _ => panic!("{VARIABLE}: there is no option `{name}`"),
        }
    }

    /// Whether this worker has sandboxes.
    pub(crate) fn has_sandboxes(&self, worker: usize) -> bool {
        match self.boxes {
            Boxes::Real => true,
            Boxes::Instant => false,
            Boxes::Mixed => worker == 0,
        }
    }

    /// How fast jobs are sent.
    pub(crate) fn pace(&self) -> Pace {
        Pace { jobs: self.jobs, a_second: self.jobs_a_second, open_max: 10 * self.workers }
    }
}

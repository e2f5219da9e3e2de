//! What a campaign came to, as a page for people and as JSON.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use tester_worker::crash::Point;

use super::amqp_proxy::Side;
use super::checker::Tally;
use super::course::Record;
use super::options::Options;
use super::schedule::{At, Fault, places};

/// What is left in RabbitMQ and Docker after the end.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Left {
    /// Messages in the job queue, whoever holds them.
    pub(crate) jobs: u64,
    pub(crate) dead: u64,
    pub(crate) unrouted: u64,
    /// Containers and whatever else of the workers is in Docker after they stopped.
    pub(crate) leaked: usize,
    /// Containers that a worker that died had created and not started; the next worker removes them after ten minutes.
    pub(crate) unstarted: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) options: Options,
    pub(crate) took: Duration,
    pub(crate) tally: Tally,
    pub(crate) record: Record,
    pub(crate) left: Left,
}

impl At {
    /// Its name in a report.
    fn name(self) -> String {
        match self {
            Self::Wire(step, Side::Before) => format!("before {}", step.name()),
            Self::Wire(step, Side::After) => format!("after {}", step.name()),
            Self::Point(point) => point.name().to_owned(),
            Self::Any(_) => "at any moment".to_owned(),
        }
    }
}

impl Report {
    fn hits(&self, fault: Fault, at: At) -> usize {
        self.record.hits.get(&(fault, at)).copied().unwrap_or_default()
    }

    /// Everything that must not be, one line each; empty: all is well.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = self.record.broken.clone();
        let Tally { lost, conflicting, wrong, unexpected, .. } = &self.tally;
        let Left { jobs, dead, unrouted, leaked, unstarted: _ } = self.left;
        let left = |count: u64| usize::try_from(count).expect("a number of messages");
        for (what, count) in [
            ("lost", *lost),
            ("conflicting", *conflicting),
            ("wrong", *wrong),
            ("unexpected", *unexpected),
            ("leaked", leaked),
            ("still in the job queue", left(jobs)),
            ("in the dead queue", left(dead)),
            ("parked as unrouted", left(unrouted)),
        ] {
            if count > 0 {
                faults.push(format!("{count} {what}"));
            }
        }
        if !self.tally.examples.is_empty() {
            faults.extend(self.tally.examples.iter().cloned());
        }
        faults
    }

    /// The page.
    pub(crate) fn page(&self) -> String {
        let Self { options, took, tally, record, left } = self;
        let mut page = String::new();
        let mut line = |text: std::fmt::Arguments<'_>| writeln!(page, "{text}").expect("write into a text");
        let seconds = took.as_secs();
        let boxes = format!("{:?}", options.boxes).to_lowercase();
        line(format_args!("seed {}, {} workers, sandboxes {boxes}, {seconds} s", options.seed, options.workers));
        line(format_args!(""));
        for (what, count) in [
            ("attempted", tally.attempted),
            ("accepted", tally.accepted),
            ("answered", tally.answered),
            ("lost", tally.lost),
            ("duplicated (suppressed)", usize::try_from(tally.duplicated).expect("a count")),
            ("conflicting", tally.conflicting),
            ("wrong", tally.wrong),
            ("unexpected", tally.unexpected),
            ("leaked containers", left.leaked),
        ] {
            line(format_args!("{what:<24}{count:>8}"));
        }
        line(format_args!(""));
        for fault in Fault::ALL {
            line(format_args!("{:<24}{:>8}", fault.plural(), record.total(fault)));
        }
        line(format_args!("{:<24}{:>8}", "faults that found no place", record.missed));
        line(format_args!("{:<24}{:>8}", "created, never started", left.unstarted));
        line(format_args!("{:<24}{:>8}", "least hits at a place", self.least()));
        self.matrix(&mut page);
        self.crossings(&mut page);
        page
    }

    /// The fewest hits of any fault that there was at any place of its.
    fn least(&self) -> usize {
        let there_were = Fault::ALL.into_iter().filter(|fault| self.record.total(*fault) > 0);
        let hits = there_were.flat_map(|fault| places(fault).into_iter().map(move |at| self.hits(fault, at)));
        hits.min().unwrap_or_default()
    }

    /// How often each fault hit each place.
    fn matrix(&self, page: &mut String) {
        let all: BTreeSet<At> = Fault::ALL.into_iter().flat_map(places).collect();
        let any = At::Any(Duration::ZERO);
        write!(page, "\n{:<18}", "").expect("write into a text");
        for fault in Fault::ALL {
            write!(page, "{:>16}", fault.name()).expect("write into a text");
        }
        page.push('\n');
        for at in all.into_iter().chain([any]) {
            write!(page, "{:<18}", at.name()).expect("write into a text");
            for fault in Fault::ALL {
                let tried = places(fault).contains(&at) || (at == any && self.hits(fault, at) > 0);
                let shown = if tried { self.hits(fault, at).to_string() } else { "-".to_owned() };
                write!(page, "{shown:>16}").expect("write into a text");
            }
            page.push('\n');
        }
    }

    /// Deaths at a point in a life in which something else had broken before.
    fn crossings(&self, page: &mut String) {
        page.push_str("\ndied there after        ");
        let others: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| *fault != Fault::Kill).collect();
        for fault in &others {
            write!(page, "{:>16}", fault.name()).expect("write into a text");
        }
        page.push('\n');
        for point in Point::ALL {
            write!(page, "{:<24}", point.name()).expect("write into a text");
            for fault in &others {
                let count = self.record.crossed.get(&(*point, *fault)).copied().unwrap_or_default();
                write!(page, "{count:>16}").expect("write into a text");
            }
            page.push('\n');
        }
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        let Left { jobs, dead, unrouted, leaked, unstarted } = self.left;
        let hits = self.record.hits.iter();
        let hits = hits.map(|((fault, at), count)| json!({ "fault": fault.name(), "at": at.name(), "count": count }));
        json!({
            "seed": self.options.seed, "workers": self.options.workers, "seconds": self.took.as_secs_f64(),
            "jobs": self.tally, "hits": hits.collect::<Vec<_>>(), "missed": self.record.missed,
            "least": self.least(),
            "left": { "jobs": jobs, "dead": dead, "unrouted": unrouted, "leaked": leaked, "unstarted": unstarted },
            "faults": self.faults(),
        })
    }
}

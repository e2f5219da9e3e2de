//! The judge of a campaign: what was sent, what came back, and what that amounts to. It sees no broker and no worker.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::work::Answer;

/// One job, as its sender knows it.
#[derive(Debug)]
struct Job {
    right: Answer,
    /// Whether the broker confirmed it.
    accepted: bool,
    /// The answer that a consumer keeps: the first.
    kept: Option<Answer>,
    conflicts: bool,
}

/// Everything that was sent and came back.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    jobs: HashMap<Uuid, Job>,
    /// Jobs that the broker took and nobody answered yet.
    open: usize,
    duplicated: u64,
    redelivered: u64,
    unexpected: Vec<String>,
}

/// What it amounts to.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Tally {
    /// Jobs that were published, whether the broker took them or not.
    pub(crate) attempted: usize,
    /// Jobs that the broker confirmed.
    pub(crate) accepted: usize,
    /// Jobs with an answer.
    pub(crate) answered: usize,
    /// Confirmed, and without one.
    pub(crate) lost: usize,
    /// Answers of jobs that had one already, which a consumer drops.
    pub(crate) duplicated: u64,
    /// Messages that the broker brought to the consumer once more, after the consumer's own connection broke.
    pub(crate) redelivered: u64,
    /// Jobs with two valid answers that differ.
    pub(crate) conflicting: usize,
    /// Jobs whose kept answer is not the right one.
    pub(crate) wrong: usize,
    /// Messages that are no answer to a job of ours.
    pub(crate) unexpected: usize,
    /// The first few of what is lost, conflicting, wrong or unexpected, for whoever has to find out why.
    pub(crate) examples: Vec<String>,
}

/// Examples that a tally shows.
const EXAMPLES_MAX: usize = 10;

impl Checker {
    /// A job is about to be published for the first time.
    pub(crate) fn attempted(&mut self, id: Uuid, right: Answer) {
        let before = self.jobs.insert(id, Job { right, accepted: false, kept: None, conflicts: false });
        assert!(before.is_none(), "{id} was used before");
    }

    /// The broker confirmed it.
    pub(crate) fn accepted(&mut self, id: Uuid) {
        let job = self.jobs.get_mut(&id).expect("it was attempted");
        job.accepted = true;
        self.open += usize::from(job.kept.is_none());
    }

    /// An authentic answer to a job came. `again`: the broker says that this message may have been here before.
    pub(crate) fn answered(&mut self, id: Uuid, answer: Answer, again: bool) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return self.unexpected(format!("{id}: an answer to a job that nobody sent"));
        };
        match &job.kept {
            None => {
                job.kept = Some(answer);
                // The answer can be here before the sender has heard that the job is.
                self.open -= usize::from(job.accepted);
            }
            Some(kept) => {
                job.conflicts |= *kept != answer;
                *if again { &mut self.redelivered } else { &mut self.duplicated } += 1;
            }
        }
    }

    /// A message came that is no authentic answer.
    pub(crate) fn unexpected(&mut self, what: String) {
        self.unexpected.push(what);
    }

    /// Jobs that the broker took and nobody answered yet.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Jobs that were published by now.
    pub(crate) fn attempted_by_now(&self) -> usize {
        self.jobs.len()
    }

    /// What it amounts to by now.
    pub(crate) fn tally(&self) -> Tally {
        let count = |is: fn(&Job) -> bool| self.jobs.values().filter(|job| is(job)).count();
        let mut examples: Vec<String> = self.unexpected.iter().take(EXAMPLES_MAX).cloned().collect();
        let faults: BTreeMap<&str, fn(&Job) -> bool> = BTreeMap::from([
            ("lost", is_lost as fn(&Job) -> bool),
            ("conflicting", |job| job.conflicts),
            ("wrong", is_wrong),
        ]);
        for (fault, is) in &faults {
            let found = self.jobs.iter().filter(|(_, job)| is(job)).take(EXAMPLES_MAX);
            examples.extend(found.map(|(id, job)| format!("{fault}: {id}, kept {:?}", job.kept)));
        }
        Tally {
            attempted: self.jobs.len(),
            accepted: count(|job| job.accepted),
            answered: count(|job| job.kept.is_some()),
            lost: count(is_lost),
            duplicated: self.duplicated,
            redelivered: self.redelivered,
            conflicting: count(|job| job.conflicts),
            wrong: count(is_wrong),
            unexpected: self.unexpected.len(),
            examples,
        }
    }
}

fn is_lost(job: &Job) -> bool {
    job.accepted && job.kept.is_none()
}

fn is_wrong(job: &Job) -> bool {
    job.kept.as_ref().is_some_and(|kept| *kept != job.right)
}

mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(7);

    fn sent() -> Checker {
        let mut checker = Checker::default();
        checker.attempted(ID, Answer::to("in"));
        checker.accepted(ID);
        checker
    }

    #[test]
    fn a_job_with_one_right_answer_is_well() {
        let mut checker = sent();
        assert_eq!(checker.open(), 1);
        checker.answered(ID, Answer::to("in"), false);
        assert_eq!(checker.open(), 0);
        let tally = Tally { attempted: 1, accepted: 1, answered: 1, ..Tally::default() };
        assert_eq!(checker.tally(), tally);
    }

    #[test]
    fn a_job_that_the_broker_took_and_nobody_answered_is_lost() {
        let tally = sent().tally();
        assert_eq!((tally.lost, tally.answered), (1, 0));
        assert!(tally.examples[0].starts_with("lost: "), "{tally:?}");
        // One that it never confirmed may be lost.
        let mut checker = Checker::default();
        checker.attempted(ID, Answer::to("in"));
        assert_eq!(checker.tally(), Tally { attempted: 1, ..Tally::default() });
    }

    #[test]
    fn a_second_answer_is_dropped_and_is_a_conflict_only_if_it_differs() {
        let mut checker = sent();
        checker.answered(ID, Answer::to("in"), false);
        checker.answered(ID, Answer::to("in"), false);
        checker.answered(ID, Answer::to("in"), true);
        let tally = checker.tally();
        assert_eq!((tally.duplicated, tally.redelivered, tally.conflicting, tally.wrong), (1, 1, 0, 0));
        checker.answered(ID, Answer::to("other"), false);
        let tally = checker.tally();
        assert_eq!((tally.duplicated, tally.conflicting, tally.wrong), (2, 1, 0), "the first one is kept");
    }

    #[test]
    fn an_answer_that_is_not_the_known_one_is_wrong() {
        let mut checker = sent();
        checker.answered(ID, Answer { exit_code: None, ..Answer::to("in") }, false);
        assert_eq!(checker.tally().wrong, 1);
    }

    #[test]
    fn an_answer_to_nothing_is_unexpected() {
        let mut checker = sent();
        checker.answered(Uuid::from_u128(8), Answer::to("in"), false);
        checker.unexpected("not signed".to_owned());
        assert_eq!((checker.tally().unexpected, checker.tally().answered), (2, 0));
    }
}

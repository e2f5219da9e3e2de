//! Claims that a sender with a good key signed, spoilt in every way that JSON knows, through the whole of admission.

use proptest::prelude::*;
use serde_json::{Value, json};
use tester_worker::domain::job::Job;
use tester_worker::domain::path::{JobPath, PathBounds};
use tester_worker::protocol::admission::{PropertiesView, Refusal};
use tester_worker::protocol::verified::Verified;

use crate::spoil::{apply, change, config, spoil, spoilt};
use crate::support::{NOW, claims, settings, token_sender};

/// As long as a message for people may be, and a mark that it was cut.
const MESSAGE_CHARS_MAX: usize = 601;

/// A job that uses every claim there is.
fn full() -> Value {
    let mut job = claims();
    let more = json!({
        "nbf": NOW, "entry": "main.py", "stdin": { "text": "1" }, "args": ["a"], "env": { "K": "V" },
        "limits": { "wall_seconds": 5, "memory_bytes": 67_108_864 }, "stop_on_failure": false,
        "files": [
            { "path": "main.py", "content": { "text": "print(1)" }, "executable": false, "role": "submission" },
            { "path": "a/b.bin", "content": { "base64": "AAEC" }, "executable": true, "role": "trusted" },
        ],
        "cases": [{ "name": "1", "stdin": { "text": "1" }, "args": [], "limits": { "cpu_seconds": 1 },
            "expect": { "stdout": { "text": "2" }, "checker": "floats", "absolute_tolerance": 1e-9 } }],
    });
    job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    job
}

/// What holds of an answer, whatever was asked.
fn check(admitted: &Result<Verified<Job>, Refusal>) -> Result<(), TestCaseError> {
    match admitted {
        Ok(job) => {
            let job = job.get();
            let bounds: PathBounds = settings().bounds.path;
            for limits in std::iter::once(&job.limits).chain(job.cases.iter().map(|case| &case.limits)) {
                prop_assert!(limits.wall_seconds > 0.0 && limits.wall_seconds <= 60.0);
                prop_assert!(limits.cpu_seconds > 0.0 && limits.cpu_seconds.is_finite());
                prop_assert!(limits.memory_bytes > 0 && limits.memory_bytes <= 1 << 30);
            }
            for file in &job.files {
                prop_assert_eq!(&JobPath::parse(file.path.as_str(), bounds), &Ok(file.path.clone()));
            }
            prop_assert!(job.expires_at > NOW - 10 && job.expires_at <= NOW + 90_000);
        }
        Err(Refusal::Dead { detail: text, .. } | Refusal::Rejected { message: text, .. }) => {
            prop_assert!(!text.is_empty() && text.chars().count() <= MESSAGE_CHARS_MAX, "{}", text);
        }
    }
    Ok(())
}

fn admit(payload: &[u8]) -> Result<Verified<Job>, Refusal> {
    let sender = token_sender();
    sender.admit(&sender.sign_payload(payload), PropertiesView::default(), NOW)
}

#[test]
fn the_job_that_is_spoilt_below_is_a_good_one() {
    assert!(admit(full().to_string().as_bytes()).is_ok());
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn changed_claims_are_admitted_within_every_bound_or_refused(
        changes in proptest::collection::vec(change(), 1..4),
    ) {
        let mut job = full();
        for change in &changes {
            apply(&mut job, change);
        }
        check(&admit(job.to_string().as_bytes()))?;
    }

    #[test]
    fn spoilt_claims_are_admitted_within_every_bound_or_refused(
        spoils in proptest::collection::vec(spoil(), 1..6),
    ) {
        check(&admit(&spoilt(full().to_string().as_bytes(), &spoils)))?;
    }

    #[test]
    fn a_payload_of_any_bytes_is_refused(payload in proptest::collection::vec(any::<u8>(), 0..256)) {
        let admitted = admit(&payload);
        prop_assert!(admitted.is_err());
        check(&admitted)?;
    }
}

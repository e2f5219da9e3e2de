//! Results: what is signed, that a large one is cut to fit, and that it answers one job only.

use proptest::prelude::*;
use serde_json::{Value, json};
use tester_worker::domain::content::Content;
use tester_worker::domain::job::{JobDigest, JobKey};
use tester_worker::domain::outcome::{Artifact, CaseRecord, Outcome, Output, TestOutcome, TestRecord};
use tester_worker::protocol::keys::{Direction, KeyRing};
use tester_worker::protocol::result::{Expected, ResultClaims, ResultError, SignError, sign_result, verify_result};
use tester_worker::protocol::signing::SigningKey;
use zeroize::Zeroizing;

use crate::support::{ISSUER, NOW, job_key, outcome, shared_key, shared_ring};

const DIGEST: JobDigest = JobDigest([0xab; 32]);

fn expected() -> Expected {
    Expected { job: job_key(), digest: DIGEST }
}

fn of(outcome: Outcome) -> ResultClaims {
    ResultClaims::new(&job_key(), DIGEST, NOW, outcome)
}

/// Signs under a bound and reads what came out, as a consumer would.
#[track_caller]
fn through(outcome: Outcome, bytes_max: usize) -> Outcome {
    let body = sign_result(&of(outcome), &shared_key(), bytes_max).unwrap();
    assert!(body.len() <= bytes_max, "{} > {bytes_max}", body.len());
    verify_result(&body, &shared_ring(), &expected()).unwrap().outcome
}

fn output(text: &str) -> Output {
    Output { content: Content::from(text), bytes_total: text.len().try_into().unwrap(), truncated: false }
}

fn test(name: &str, message: String) -> TestRecord {
    TestRecord { name: name.to_owned(), outcome: TestOutcome::Failed, duration_seconds: 0.0, message }
}

#[test]
fn every_member_is_there_in_the_order_of_the_contract() {
    let json = serde_json::to_string(&of(outcome())).unwrap();
    let names = [
        "v",
        "iss",
        "aud",
        "iat",
        "jti",
        "job_sha256",
        "status",
        "limit",
        "reason",
        "message",
        "exit_code",
        "signal",
        "stdout",
        "stderr",
        "usage",
        "evidence",
        "timings",
        "compile",
        "cases",
        "tests",
        "tests_complete",
        "tests_trust",
        "artifacts",
        "artifacts_refused",
        "profile",
        "image_digest",
        "isolation",
        "worker",
        "attempt",
    ];
    let mut at = 0;
    for name in names {
        let place =
            json[at..].find(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{name} is not behind {at}: {json}"));
        at += place + 1;
    }
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value.as_object().unwrap().len(), names.len());
    assert_eq!(value["aud"], ISSUER);
    assert_eq!(value["iss"], "worker-1");
    assert_eq!(value["job_sha256"], "ab".repeat(32));
    assert_eq!(value["stdout"], json!({ "text": "1\n", "bytes_total": 2, "truncated": false }));
    assert_eq!((&value["limit"], &value["cases"]), (&Value::Null, &json!([])));
}

#[test]
fn a_result_that_fits_is_not_touched() {
    assert_eq!(through(outcome(), 1 << 20), outcome());
}

#[test]
fn the_longest_output_is_cut_first_and_says_so() {
    let mut large = outcome();
    large.run.stdout = output(&"o".repeat(100_000));
    large.run.stderr = output(&"e".repeat(1000));
    let cut = through(large, 20_000);
    assert!(cut.run.stdout.truncated && cut.run.stdout.bytes_total == 100_000);
    assert!(cut.run.stdout.content.len() > 10_000, "{} bytes were kept", cut.run.stdout.content.len());
    assert_eq!(cut.run.stderr, output(&"e".repeat(1000)), "a short one stays whole");
    assert!(cut.run.message.unwrap().contains("cut to fit 20000 bytes"));
}

#[test]
fn as_much_as_possible_is_kept() {
    let mut large = outcome();
    large.run.stdout = output(&"o".repeat(50_000));
    let body = sign_result(&of(large), &shared_key(), 20_000).unwrap();
    assert!(body.len() > 19_990, "{}", body.len());
}

#[test]
fn text_stays_text_and_escapes_are_counted() {
    for unit in ["ü", "😀", "\u{1}", "\"", "a\n"] {
        let mut large = outcome();
        large.run.stdout = output(&unit.repeat(20_000));
        let cut = through(large, 10_000);
        let text = std::str::from_utf8(cut.run.stdout.content.as_bytes()).unwrap();
        assert!(!text.is_empty() && unit.repeat(20_000).starts_with(text));
    }
    let mut bytes = outcome();
    bytes.run.stdout.content = Content::new(vec![0xff; 100_000]);
    assert!(!through(bytes, 10_000).run.stdout.content.is_empty());
}

#[test]
fn a_file_comes_back_whole_or_is_named_as_left_out() {
    let mut large = outcome();
    let file = |path: &str, bytes: usize| Artifact {
        path: path.to_owned(),
        content: Content::new(vec![0xfe; bytes]),
        bytes_total: bytes.try_into().unwrap(),
    };
    large.artifacts = vec![file("small", 100), file("large", 100_000)];
    let cut = through(large, 10_000);
    assert_eq!(cut.artifacts, [file("small", 100)]);
    assert_eq!(
        (cut.artifacts_refused[0].path.as_str(), cut.artifacts_refused[0].reason.as_str()),
        ("large", "result_too_large")
    );
}

#[test]
fn messages_of_tests_go_before_tests_and_tests_go_from_the_end() {
    let mut large = outcome();
    large.tests = (0..100).map(|number| test(&format!("t{number}"), "m".repeat(5000))).collect();
    large.tests_complete = Some(true);
    let shortened = through(large.clone(), 100_000);
    assert_eq!(shortened.tests.len(), 100);
    assert!(shortened.tests[0].message.ends_with("… (cut)") && shortened.tests_complete == Some(true));
    let dropped = through(large, 5000);
    assert!((1..100).contains(&dropped.tests.len()), "{}", dropped.tests.len());
    assert_eq!((dropped.tests[0].name.as_str(), dropped.tests_complete), ("t0", Some(false)));
}

#[test]
fn a_result_of_many_cases_still_fits_and_what_cannot_fit_is_an_error() {
    let mut large = outcome();
    let case = CaseRecord { name: "1".to_owned(), run: outcome().run };
    large.cases = vec![case; 1000];
    let cut = through(large.clone(), 5000);
    assert_eq!((cut.cases.len(), cut.run.status), (0, large.run.status));
    let error = sign_result(&of(large), &shared_key(), 500).unwrap_err();
    assert!(matches!(error, SignError::TooLarge { bytes_max: 500 }), "{error}");
}

#[test]
fn a_result_answers_one_job_of_one_issuer_in_one_shape() {
    let body = sign_result(&of(outcome()), &shared_key(), 1 << 20).unwrap();
    let refused = |expected: Expected| verify_result(&body, &shared_ring(), &expected).unwrap_err();
    let other_id = JobKey { id: uuid::Uuid::nil(), ..job_key() };
    assert_eq!(refused(Expected { job: other_id, ..expected() }), ResultError::OtherJob { claim: "jti" });
    let other_issuer = JobKey { issuer: "backend-2".to_owned(), ..job_key() };
    assert_eq!(refused(Expected { job: other_issuer, ..expected() }), ResultError::OtherJob { claim: "aud" });
    let other_bytes = Expected { digest: JobDigest([0; 32]), ..expected() };
    assert_eq!(refused(other_bytes), ResultError::OtherJob { claim: "job_sha256" });
    let version_2 = sign_result(&ResultClaims { v: 2, ..of(outcome()) }, &shared_key(), 1 << 20).unwrap();
    assert_eq!(verify_result(&version_2, &shared_ring(), &expected()).unwrap_err(), ResultError::Version(2));
}

#[test]
fn only_the_workers_key_signs_its_results() {
    let key = SigningKey::from_seed("worker-1", &Zeroizing::new([3; 32])).unwrap();
    let body = sign_result(&of(outcome()), &key, 1 << 20).unwrap();
    let ring = |key: &SigningKey, direction, issuer: &str| {
        let document = json!({ "keys": [key.public_jwk(direction, Some(issuer)).unwrap()] }).to_string();
        KeyRing::from_jwks(document.as_bytes(), Direction::Results).unwrap()
    };
    assert!(verify_result(&body, &ring(&key, Direction::Results, "worker-1"), &expected()).is_ok());
    let wrong_issuer = verify_result(&body, &ring(&key, Direction::Results, "worker-2"), &expected()).unwrap_err();
    assert!(matches!(wrong_issuer, ResultError::WrongIssuer { .. }), "{wrong_issuer}");
    let wrong_way = verify_result(&body, &ring(&key, Direction::Jobs, "worker-1"), &expected()).unwrap_err();
    assert!(matches!(wrong_way, ResultError::NotAuthentic(_)), "{wrong_way}");
    let good = ring(&key, Direction::Results, "worker-1");
    for at in (0..body.len()).step_by(5) {
        let mut changed = body.to_vec();
        changed[at] ^= 1;
        assert!(verify_result(&changed, &good, &expected()).is_err(), "byte {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_output_survives_signing(stdout in prop::collection::vec(any::<u8>(), 0..2000), total in 0_u64..1 << 53) {
        let mut outcome = outcome();
        outcome.run.stdout = Output { content: Content::new(stdout), bytes_total: total, truncated: false };
        prop_assert_eq!(through(outcome.clone(), 1 << 20), outcome);
    }

    #[test]
    fn whatever_is_too_large_is_cut_to_any_bound(
        stdout in prop::collection::vec(any::<u8>(), 0..5000),
        stderr in "\\PC{0,2000}",
        tests in prop::collection::vec("\\PC{0,300}", 0..20),
        bytes_max in 2500_usize..9000,
    ) {
        let mut outcome = outcome();
        outcome.run.stdout.content = Content::new(stdout.clone());
        outcome.run.stderr = output(&stderr);
        outcome.tests = tests.into_iter().map(|message| test("t", message)).collect();
        let cut = through(outcome, bytes_max);
        prop_assert!(stdout.starts_with(cut.run.stdout.content.as_bytes()));
        prop_assert_eq!(cut.run.stdout.truncated, cut.run.stdout.content.len() < stdout.len());
    }
}

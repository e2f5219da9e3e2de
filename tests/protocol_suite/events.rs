//! Events: what is signed, that it is about one job only, and that it never passes for anything else.

use proptest::prelude::*;
use serde_json::{Value, json};
use tester_worker::domain::content::Content;
use tester_worker::domain::event::{JobEvent, Stream};
use tester_worker::domain::job::{JobDigest, JobKey};
use tester_worker::domain::outcome::CaseRecord;
use tester_worker::domain::reason::DeadReason;
use tester_worker::protocol::event::{EventClaims, Teller, sign_event, verify_event};
use tester_worker::protocol::keys::{Direction, KeyRing};
use tester_worker::protocol::result::{Expected, ResultClaims, ResultError, sign_result, verify_result};
use tester_worker::protocol::signing::SigningKey;
use zeroize::Zeroizing;

use crate::support::{ISSUER, NOW, job_key, outcome, shared_key, shared_ring, token_sender};

const DIGEST: JobDigest = JobDigest([0xab; 32]);
const TELLER: Teller<'_> = Teller { worker: "worker-1", attempt: 2, now: NOW };

fn expected() -> Expected {
    Expected { job: job_key(), digest: DIGEST }
}

fn of(seq: u64, event: JobEvent) -> EventClaims {
    EventClaims::new((&job_key(), DIGEST), TELLER, seq, event)
}

fn output(bytes: &[u8]) -> EventClaims {
    of(2, JobEvent::Output(Stream::Stdout, Content::new(bytes.to_vec())))
}

/// One event of each kind.
pub(crate) fn every_event() -> Vec<EventClaims> {
    let case = CaseRecord { name: "one".to_owned(), run: outcome().run };
    vec![
        of(1, JobEvent::Started),
        output(b"1\n"),
        of(3, JobEvent::Output(Stream::Stderr, Content::new(vec![0xff]))),
        of(4, JobEvent::Case(Box::new(case))),
    ]
}

fn signed(claims: &EventClaims, key: &SigningKey) -> bytes::Bytes {
    sign_event(claims, key, 1 << 20).unwrap().unwrap()
}

fn not_authentic(error: &ResultError) -> Option<DeadReason> {
    if let ResultError::NotAuthentic(error) = error { Some(error.reason) } else { None }
}

#[test]
fn every_member_is_there_null_where_it_does_not_apply() {
    let events = every_event();
    let started = serde_json::to_value(&events[0]).unwrap();
    let expected = json!({
        "v": 1, "iss": "worker-1", "aud": ISSUER, "iat": NOW, "jti": job_key().id, "job_sha256": "ab".repeat(32),
        "attempt": 2, "seq": 1, "event": "started", "content": null, "case": null,
    });
    assert_eq!(started, expected);
    let names: Vec<Value> = events.iter().map(|event| serde_json::to_value(event).unwrap()["event"].clone()).collect();
    assert_eq!(names, ["started", "stdout", "stderr", "case"]);
    let [_, stdout, stderr, case] = &events[..] else { panic!("{events:?}") };
    assert_eq!(serde_json::to_value(stdout).unwrap()["content"], json!({ "text": "1\n" }));
    assert_eq!(serde_json::to_value(stderr).unwrap()["content"], json!({ "base64": "/w==" }));
    let in_result = CaseRecord { name: "one".to_owned(), run: outcome().run };
    assert_eq!(serde_json::to_value(case).unwrap()["case"], serde_json::to_value(in_result).unwrap());
}

#[test]
fn what_is_signed_is_what_is_read() {
    for claims in every_event() {
        assert_eq!(verify_event(&signed(&claims, &shared_key()), &shared_ring(), &expected()).unwrap(), claims);
    }
}

#[test]
fn an_event_is_no_result_no_result_is_an_event_and_neither_is_a_job() {
    // The shared token signs everything: only `typ` keeps them apart.
    let event = signed(&output(b"x"), &shared_key());
    let wrong = verify_result(&event, &shared_ring(), &expected()).unwrap_err();
    assert_eq!(not_authentic(&wrong), Some(DeadReason::WrongTyp));
    let claims = ResultClaims::new(&job_key(), DIGEST, NOW, outcome());
    let result = sign_result(&claims, &shared_key(), 1 << 20).unwrap();
    let wrong = verify_event(&result, &shared_ring(), &expected()).unwrap_err();
    assert_eq!(not_authentic(&wrong), Some(DeadReason::WrongTyp));
    let refusal = token_sender().refuse(&event);
    assert!(format!("{refusal:?}").contains("WrongTyp"), "{refusal:?}");
}

#[test]
fn an_event_is_about_one_job_of_one_issuer_in_one_shape() {
    let body = signed(&output(b"x"), &shared_key());
    let refused = |expected: Expected| verify_event(&body, &shared_ring(), &expected).unwrap_err();
    let other_id = JobKey { id: uuid::Uuid::nil(), ..job_key() };
    assert_eq!(refused(Expected { job: other_id, ..expected() }), ResultError::OtherJob { claim: "jti" });
    let other_issuer = JobKey { issuer: "backend-2".to_owned(), ..job_key() };
    assert_eq!(refused(Expected { job: other_issuer, ..expected() }), ResultError::OtherJob { claim: "aud" });
    let other_bytes = Expected { digest: JobDigest([0; 32]), ..expected() };
    assert_eq!(refused(other_bytes), ResultError::OtherJob { claim: "job_sha256" });
    let version_2 = signed(&EventClaims { v: 2, ..output(b"x") }, &shared_key());
    assert_eq!(verify_event(&version_2, &shared_ring(), &expected()).unwrap_err(), ResultError::Version(2));
    let [started, stdout, _, case] = every_event().try_into().unwrap();
    let halves = [
        EventClaims { content: stdout.content.clone(), ..started },
        EventClaims { content: None, ..stdout.clone() },
        EventClaims { case: case.case.clone(), ..stdout },
        EventClaims { case: None, ..case },
    ];
    for half in halves {
        let error = verify_event(&signed(&half, &shared_key()), &shared_ring(), &expected()).unwrap_err();
        assert!(matches!(error, ResultError::Malformed(_)), "{half:?}: {error}");
    }
}

#[test]
fn only_the_workers_key_signs_its_events() {
    let key = SigningKey::from_seed("worker-1", &Zeroizing::new([3; 32])).unwrap();
    let body = signed(&output(b"x"), &key);
    let ring = |direction, issuer: &str| {
        let document = json!({ "keys": [key.public_jwk(direction, Some(issuer)).unwrap()] }).to_string();
        KeyRing::from_jwks(document.as_bytes(), Direction::Results).unwrap()
    };
    let good = ring(Direction::Results, "worker-1");
    assert!(verify_event(&body, &good, &expected()).is_ok());
    let wrong_issuer = verify_event(&body, &ring(Direction::Results, "worker-2"), &expected()).unwrap_err();
    assert!(matches!(wrong_issuer, ResultError::WrongIssuer { .. }), "{wrong_issuer}");
    for direction in [Direction::Jobs, Direction::Control] {
        let wrong_way = verify_event(&body, &ring(direction, "worker-1"), &expected()).unwrap_err();
        assert_eq!(not_authentic(&wrong_way), Some(DeadReason::UnknownKey));
    }
    for at in (0..body.len()).step_by(5) {
        let mut changed = body.to_vec();
        changed[at] ^= 1;
        assert!(verify_event(&changed, &good, &expected()).is_err(), "byte {at}");
    }
}

#[test]
fn an_event_is_sent_whole_or_not_at_all() {
    let claims = output(&[b'x'; 1000]);
    let bytes = signed(&claims, &shared_key()).len();
    assert!(sign_event(&claims, &shared_key(), bytes).unwrap().is_some());
    assert!(sign_event(&claims, &shared_key(), bytes - 1).unwrap().is_none());
    assert!(sign_event(&claims, &shared_key(), 10).unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_survive_signing(bytes in prop::collection::vec(any::<u8>(), 0..2000), seq in 1_u64..1 << 53) {
        let claims = of(seq, JobEvent::Output(Stream::Stderr, Content::new(bytes)));
        prop_assert_eq!(verify_event(&signed(&claims, &shared_key()), &shared_ring(), &expected()).unwrap(), claims);
    }
}

//! Tokens that nobody signed as they are: jobs on their way in, results on their way to a consumer.

use proptest::prelude::*;
use tester_worker::domain::job::JobDigest;
use tester_worker::protocol::admission::{PropertiesView, Refusal};
use tester_worker::protocol::control::{ControlDraft, sign_cancel};
use tester_worker::protocol::result::{Expected, ResultClaims, sign_result, verify_result};

use crate::spoil::{config, json, spoil, spoilt};
use crate::support::{
    AUDIENCE, NOW, TOKEN, claims, hs256, job_key, outcome, shared_key, shared_ring, sign_json, token_sender,
};

const DIGEST: JobDigest = JobDigest([0xab; 32]);

fn admitted(body: &[u8]) -> bool {
    match token_sender().admit(body, PropertiesView::default(), NOW) {
        Ok(_) | Err(Refusal::Rejected { .. }) => true,
        Err(Refusal::Dead { .. }) => false,
    }
}

fn verified(body: &[u8]) -> bool {
    verify_result(body, &shared_ring(), &Expected { job: job_key(), digest: DIGEST }).is_ok()
}

fn result() -> Vec<u8> {
    let claims = ResultClaims::new(&job_key(), DIGEST, NOW, outcome());
    sign_result(&claims, &shared_key(), 65_536).unwrap().to_vec()
}

fn cancel() -> Vec<u8> {
    let draft = ControlDraft {
        issuer: job_key().issuer,
        audience: AUDIENCE.to_owned(),
        id: job_key().id,
        issued_at: NOW,
        expires_at: NOW + 60,
    };
    sign_cancel(draft, job_key().id, &shared_key()).unwrap().to_vec()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_message_of_any_bytes_is_nobodys(body in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(!admitted(&body));
        prop_assert!(!verified(&body));
    }

    #[test]
    fn three_parts_of_any_text_are_nobodys(body in "[A-Za-z0-9_=-]{0,80}\\.[A-Za-z0-9_=-]{0,80}\\.[A-Za-z0-9_=-]{0,80}") {
        prop_assert!(!admitted(body.as_bytes()));
        prop_assert!(!verified(body.as_bytes()));
    }

    #[test]
    fn a_spoilt_job_is_nobodys(spoils in proptest::collection::vec(spoil(), 1..5)) {
        let good = sign_json(TOKEN, &claims());
        let body = spoilt(&good, &spoils);
        prop_assert_eq!(admitted(&body), body == good);
    }

    #[test]
    fn a_spoilt_result_is_nobodys(spoils in proptest::collection::vec(spoil(), 1..5)) {
        let good = result();
        let body = spoilt(&good, &spoils);
        prop_assert_eq!(verified(&body), body == good);
    }

    #[test]
    fn a_control_message_of_any_bytes_any_claims_or_spoilt_is_heeded_by_nobody(
        bytes in proptest::collection::vec(any::<u8>(), 0..512),
        claims in json(),
        spoils in proptest::collection::vec(spoil(), 1..5),
    ) {
        let admission = token_sender().admission();
        prop_assert!(admission.control(&bytes, NOW).is_err());
        let header = serde_json::json!({ "alg": "HS256", "kid": "default", "typ": "control+jwt" });
        prop_assert!(admission.control(&hs256(TOKEN.as_bytes(), &header, claims.to_string().as_bytes()), NOW).is_err());
        let good = cancel();
        let body = spoilt(&good, &spoils);
        prop_assert_eq!(admission.control(&body, NOW).is_ok(), body == good);
    }

    #[test]
    fn a_header_of_any_json_lets_nobody_in(header in json()) {
        prop_assert!(!admitted(&hs256(TOKEN.as_bytes(), &header, claims().to_string().as_bytes())));
    }

    #[test]
    fn a_signed_result_of_any_claims_is_read_or_refused(claims in json()) {
        let header = serde_json::json!({ "alg": "HS256", "kid": "default", "typ": "result+jwt" });
        prop_assert!(!verified(&hs256(TOKEN.as_bytes(), &header, claims.to_string().as_bytes())));
    }
}

//! The four claims that say who is asking and where the answer goes, read even from a job that is otherwise broken.

use serde::Deserialize;
use uuid::Uuid;

use super::quote::message;
use super::strict::Json;

/// Bytes of an issuer, an audience or a queue name at most; AMQP allows no more in a queue name.
const NAME_BYTES_MAX: usize = 255;

/// Who is asking, for what job, and where the answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::protocol) struct Envelope {
    pub(in crate::protocol) issuer: String,
    pub(in crate::protocol) audience: String,
    pub(in crate::protocol) id: Uuid,
    pub(in crate::protocol) reply_to: String,
}

/// The claims as they are spelt. Other members are skipped; one of these twice is an error, for nobody could say which
/// one counts.
#[derive(Debug, Deserialize)]
struct Lenient {
    iss: String,
    aud: String,
    jti: String,
    reply_to: String,
}

impl Envelope {
    /// From claims that are strict JSON.
    pub(in crate::protocol) fn from_json(claims: &Json) -> Result<Self, String> {
        let member = |name: &str| {
            claims
                .string_member(name)
                .map(ToOwned::to_owned)
                .ok_or_else(|| format!("there is no claim {name} that is a string"))
        };
        Self::check(Lenient {
            iss: member("iss")?,
            aud: member("aud")?,
            jti: member("jti")?,
            reply_to: member("reply_to")?,
        })
    }

    /// From bytes that are not strict JSON: a second look, at these claims only.
    pub(in crate::protocol) fn from_broken(payload: &[u8]) -> Result<Self, String> {
        serde_json::from_slice::<Lenient>(payload)
            .map_err(|error| message(&format!("iss, aud, jti and reply_to cannot be read: {error}")))
            .and_then(Self::check)
    }

    fn check(claims: Lenient) -> Result<Self, String> {
        let Lenient { iss, aud, jti, reply_to } = claims;
        for (name, value) in [("iss", &iss), ("aud", &aud), ("reply_to", &reply_to)] {
            if value.is_empty() || value.len() > NAME_BYTES_MAX {
                return Err(format!("the claim {name} has {} bytes; 1 to {NAME_BYTES_MAX} are allowed", value.len()));
            }
        }
        // One spelling only: a consumer compares the id of a result as text.
        let id = Uuid::try_parse(&jti)
            .ok()
            .filter(|id| id.hyphenated().to_string() == jti)
            .ok_or("the claim jti is not a UUID in lower case with hyphens")?;
        Ok(Self { issuer: iss, audience: aud, id, reply_to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::strict;

    const ID: &str = "6f2f6a0e-0000-4000-8000-000000000001";

    fn claims(jti: &str, rest: &str) -> String {
        format!(r#"{{"iss":"b","aud":"tester","jti":"{jti}","reply_to":"q"{rest}}}"#)
    }

    #[test]
    fn a_broken_job_still_says_whom_to_answer() {
        let strict = Envelope::from_json(&strict::parse(claims(ID, "").as_bytes()).unwrap()).unwrap();
        assert_eq!(strict.reply_to, "q");
        for rest in [r#","x":1,"x":2"#, r#","files":7"#, r#","deep":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"#] {
            assert_eq!(Envelope::from_broken(claims(ID, rest).as_bytes()).unwrap(), strict, "{rest}");
        }
    }

    #[test]
    fn depth_does_not_matter_to_the_second_look() {
        let deep = format!(r#","deep":{}{}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(Envelope::from_broken(claims(ID, &deep).as_bytes()).is_ok());
    }

    #[test]
    fn whom_to_answer_must_be_certain() {
        let mut cases =
            vec![claims(ID, r#","iss":"c""#), claims(ID, r#","reply_to":"r""#), claims(ID, "").replace('{', "")];
        cases.push(claims(ID, "").replace(r#""b""#, r#""""#));
        cases.push(claims(ID, "").replace(r#""q""#, "null"));
        cases.push(claims(ID, "").replace(r#""tester""#, r#"["tester"]"#));
        cases.push(claims(ID, "").replace(r#""q""#, &format!("\"{}\"", "q".repeat(256))));
        for json in cases {
            assert!(Envelope::from_broken(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn a_job_id_has_one_spelling() {
        let upper = ID.to_uppercase();
        let bad = ["", "1", &ID.replace('-', ""), &format!("{{{ID}}}"), &format!("urn:uuid:{ID}"), &upper];
        for jti in bad {
            assert!(Envelope::from_broken(claims(jti, "").as_bytes()).is_err(), "{jti}");
        }
    }
}

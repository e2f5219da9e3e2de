//! Why a job was refused.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($(#[$top:meta])* $enum:ident { $($(#[$doc:meta])* $name:ident = $code:literal;)* }) => {
        $(#[$top])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum $enum { $($(#[$doc])* #[serde(rename = $code)] $name),* }

        impl $enum {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code in results, headers and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

reasons! {
    /// Why an authentic job was refused with a signed result.
    RejectReason {
        /// Not JSON of the right types, or a required claim is missing.
        Malformed = "malformed";
        /// A member that no job has.
        UnknownField = "unknown_field";
        /// `exp` has passed.
        Expired = "expired";
        /// `nbf` or `iat` lies in the future.
        NotYetValid = "not_yet_valid";
        /// An AMQP property says something else than its claim.
        PropertiesMismatch = "properties_mismatch";
        /// No profile of this worker has the name.
        UnknownProfile = "unknown_profile";
        /// A limit that is no positive number, or that no run has.
        BadLimit = "bad_limit";
        /// Above a maximum of the profile or the key, or something the key may not ask for.
        OverPolicy = "over_policy";
        /// A path that could leave the job's folder, or contradicts another.
        BadPath = "bad_path";
        /// More files than the worker takes.
        TooManyFiles = "too_many_files";
        /// Content that claims to be base64 and is not.
        BadBase64 = "bad_base64";
        /// A variable name or value that cannot be an environment.
        BadEnv = "bad_env";
        /// `exp - iat` is longer than the worker allows, or the limits are longer than the broker waits.
        DeadlineTooLong = "deadline_too_long";
    }
}

reasons! {
    /// Why a message went to the dead queue without any result.
    DeadReason {
        /// The body is larger than the worker reads.
        TooLarge = "too_large";
        /// Not a compact JWS.
        NotJws = "not_jws";
        /// A header with other members than `alg`, `kid` and `typ`, or with none of them.
        BadHeader = "bad_header";
        /// The algorithm is none of ours, or not the key's.
        AlgNotAllowed = "alg_not_allowed";
        /// No key has this `kid`.
        UnknownKey = "unknown_key";
        /// The signature is not the key's over these bytes.
        BadSignature = "bad_signature";
        /// `typ` is not `job+jwt`.
        WrongTyp = "wrong_typ";
        /// Signed, but for another fleet.
        WrongAudience = "wrong_audience";
        /// The reply queue is not one that this key may use.
        ReplyNotAllowed = "reply_not_allowed";
        /// Signed, but so broken that the worker cannot tell whom to answer.
        Unreadable = "unreadable";
        /// The job id was used before for other bytes.
        IdReused = "id_reused";
        /// The job took its sandbox down on every attempt and cannot be answered.
        Poison = "poison";
    }
}

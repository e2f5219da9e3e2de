//! Why a connection could not be had, and what to do about it.

use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};

use super::address::Address;
use super::error::{BrokerError, describe};
use super::events::Cause;

const PORT: &str = "is RabbitMQ running there, and is it the AMQP port (5672, or 5671 with TLS)?";
const TLS: &str = "check that the port speaks TLS (5671), and that the certificate names this host and comes from an \
                   authority that this machine trusts (SSL_CERT_FILE may name another bundle)";
const CREDENTIALS: &str = "check user and password in `broker.urls`; RabbitMQ lets `guest` in from its own host only";
const VHOST: &str = "create the virtual host (`rabbitmqctl add_vhost NAME`), or let the user into it \
                     (`rabbitmqctl set_permissions -p NAME USER '' '.*' '.*'`); in a URL the virtual host `/` is written %2f";

/// How far an attempt came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// Looking the name up, or connecting.
    #[default]
    Reaching,
    /// Agreeing on TLS.
    Tls,
    /// Agreeing on AMQP.
    Handshake,
}

/// An attempt failed.
pub(super) fn failed(address: &Address, stage: Stage, error: &lapin::Error) -> BrokerError {
    let (cause, what, hint) = match stage {
        Stage::Reaching => (Cause::Unreachable, format!("cannot be reached: {}", describe(error)), PORT),
        Stage::Tls => (Cause::Tls, format!("TLS failed: {}", describe(error)), TLS),
        Stage::Handshake => handshake(error),
    };
    connect(address, cause, what, hint)
}

/// An attempt took too long.
pub(super) fn late(address: &Address, stage: Stage, limit: Duration) -> BrokerError {
    let seconds = limit.as_secs_f64();
    let (cause, what) = match stage {
        Stage::Reaching => (Cause::Unreachable, format!("no connection within {seconds} s")),
        Stage::Tls | Stage::Handshake => {
            (Cause::Silent, format!("something accepts connections there, but did not answer within {seconds} s"))
        }
    };
    connect(address, cause, what, PORT)
}

fn connect(address: &Address, cause: Cause, what: String, hint: &str) -> BrokerError {
    BrokerError::Connect { broker: address.shown().to_owned(), cause, what, hint: hint.to_owned() }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "lapin's, and it may grow")]
fn handshake(error: &lapin::Error) -> (Cause, String, &'static str) {
    let text = describe(error);
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                (Cause::Refused, format!("refused the user or the password: {text}"), CREDENTIALS)
            }
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                (Cause::Refused, format!("refused the virtual host: {text}"), VHOST)
            }
            AMQPErrorKind::Soft(_) | AMQPErrorKind::Hard(_) => {
                (Cause::Refused, format!("refused the connection: {text}"), "see RabbitMQ's own log for the reason")
            }
        },
        ErrorKind::ParsingError(_) | ErrorKind::InvalidProtocolVersion(_) => {
            (Cause::Silent, "what answers there does not speak AMQP 0-9-1".to_owned(), PORT)
        }
        _ => (Cause::ConnectionLost, format!("the connection ended during the handshake: {text}"), PORT),
    }
}

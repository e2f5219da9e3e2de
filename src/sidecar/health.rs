//! Asks a sidecar how it is, with nothing but a TCP connection: for a container's HEALTHCHECK.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: u64 = 65_536;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Whether the process is well.
    Live,
    /// Whether it takes jobs.
    Ready,
}

/// What a sidecar said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it said yes.
    pub well: bool,
    /// Why not, one reason each.
    pub reasons: Vec<String>,
}

/// Why nothing was heard.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HealthError {
    /// Nobody answers.
    #[error("no sidecar answers at {address}")]
    Unreachable {
        /// The address that was asked.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Somebody answers, but no sidecar of ours.
    #[error("what answers at {address} is not a sidecar")]
    NotASidecar {
        /// The address that was asked.
        address: SocketAddr,
    },
}

/// Asks the sidecar that listens on this address.
///
/// # Errors
/// [`HealthError`] when nobody answers in five seconds, or somebody else does.
///
/// # Cancel safety
/// Nothing is left behind.
pub async fn ask(listen: SocketAddr, probe: Probe) -> Result<Answer, HealthError> {
    let address = reachable(listen);
    let unreachable = |source| HealthError::Unreachable { address, source };
    let answer = match timeout(LIMIT, request(address, probe)).await {
        Ok(answer) => answer.map_err(unreachable)?,
        Err(_elapsed) => return Err(unreachable(io::ErrorKind::TimedOut.into())),
    };
    read(&answer).ok_or(HealthError::NotASidecar { address })
}

/// An address that listens everywhere is asked over loopback.
const fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn request(address: SocketAddr, probe: Probe) -> io::Result<Vec<u8>> {
    let path = match probe {
        Probe::Live => "/livez",
        Probe::Ready => "/readyz",
    };
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Status line, headers, one JSON object.
fn read(answer: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    if !words.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let status: u16 = words.next()?.parse().ok()?;
    let body: Value = serde_json::from_str(body).ok()?;
    let said = body.get("ready").or_else(|| body.get("live"))?.as_bool()?;
    let parts = body.get("parts").and_then(Value::as_array);
    let of_parts = parts.into_iter().flatten().filter_map(|part| {
        let reason = part.get("reason")?.as_str()?;
        Some(format!("{}: {reason}", part.get("part")?.as_str()?))
    });
    let own = body.get("reason").and_then(Value::as_str).map(str::to_owned);
    Some(Answer { well: said && status == 200, reasons: of_parts.chain(own).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n\r\n{body}").into_bytes()
    }

    #[test]
    fn a_yes_is_a_yes_only_with_status_and_body() {
        let yes = Some(Answer { well: true, reasons: Vec::new() });
        assert_eq!(read(&answer("200 OK", r#"{"live":true}"#)), yes);
        assert!(!read(&answer("503 x", r#"{"live":true}"#)).unwrap().well);
        assert!(!read(&answer("200 OK", r#"{"ready":false}"#)).unwrap().well);
    }

    #[test]
    fn reasons_are_named_with_their_parts() {
        let body = r#"{"ready":false,"parts":[{"part":"docker","ready":false,"reason":"away"},
                      {"part":"pool","ready":true,"reason":null}]}"#;
        assert_eq!(read(&answer("503 x", body)).unwrap().reasons, ["docker: away"]);
        assert_eq!(read(&answer("503 x", r#"{"live":false,"reason":"stuck"}"#)).unwrap().reasons, ["stuck"]);
    }

    #[test]
    fn somebody_else_is_recognised() {
        for other in [&b"SSH-2.0\r\n\r\n"[..], b"HTTP/1.1 200 OK\r\n\r\n<html>", b"HTTP/1.1 200 OK\r\n\r\n{}", b"\xff"] {
            assert_eq!(read(other), None);
        }
    }

    #[test]
    fn an_address_that_listens_everywhere_is_asked_over_loopback() {
        let reached = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(reached("[::]:8080"), "[::1]:8080");
        assert_eq!(reached("10.1.2.3:80"), "10.1.2.3:80");
    }
}

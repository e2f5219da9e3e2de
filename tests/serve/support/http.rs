//! The sidecar, asked over plain TCP.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// Status and body of a GET; `None` while nobody answers.
pub(crate) async fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    };
    timeout(PATIENCE, ask).await.expect("the sidecar answers in time")
}

/// What `/readyz` said.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) status: u16,
    /// The verdict.
    pub(crate) well: bool,
    /// Part and reason of each part that is not ready.
    pub(crate) reasons: Vec<(String, String)>,
}

impl Ready {
    /// The reason of one part, if it is not ready.
    pub(crate) fn reason(&self, part: &str) -> Option<&str> {
        self.reasons.iter().find(|(of, _)| of == part).map(|(_, reason)| reason.as_str())
    }
}

/// Asks `/readyz`; `None` while nobody answers.
pub(crate) async fn ready(port: u16) -> Option<Ready> {
    let (status, body) = get(port, "/readyz").await?;
    let body: Value = serde_json::from_str(&body).expect("/readyz answers in JSON");
    let reasons = body["parts"].as_array().expect("a list of parts").iter().filter(|part| part["ready"] == false);
    let reasons = reasons
        .map(|part| {
            let text = |name: &str| part[name].as_str().expect("a text").to_owned();
            (text("part"), text("reason"))
        })
        .collect();
    Some(Ready { status, well: body["ready"].as_bool().expect("a verdict"), reasons })
}

/// The sum of all samples of a metric whose labels include these.
pub(crate) fn sample(page: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let mut found = None;
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
        let (of, shown) = series.split_once('{').unwrap_or((series, ""));
        let has = |(label, value): &(&str, &str)| shown.contains(&format!("{label}=\"{value}\""));
        if of == name && labels.iter().all(has) {
            found = Some(found.unwrap_or(0.0) + value.parse::<f64>().expect("a number"));
        }
    }
    found.unwrap_or_else(|| panic!("no sample of {name} {labels:?} in:\n{page}"))
}

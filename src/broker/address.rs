//! A broker's address: parsed from a URL, shown without user and password.

use std::fmt;

use lapin::uri::{AMQPScheme, AMQPUri};
use secrecy::{ExposeSecret, SecretString};

use super::error::BrokerError;

/// RabbitMQ's own default. Its largest frames are headers, which this adapter reads whole.
const FRAME_MAX: u32 = 131_072;
/// The protocol's smallest.
const FRAME_MIN: u32 = 8192;

/// Where a broker is, and who we are to it.
#[derive(Clone)]
pub(super) struct Address {
    uri: AMQPUri,
    shown: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.shown).finish()
    }
}

impl Address {
    /// Parses the entry at `position` (from 1) of `broker.urls`. `heartbeat_seconds` overrides the URL's own.
    pub(super) fn parse(url: &SecretString, position: usize, heartbeat_seconds: u16) -> Result<Self, BrokerError> {
        let text = url.expose_secret();
        let bad = |reason| BrokerError::Url { position, reason };
        if !text.starts_with("amqp://") && !text.starts_with("amqps://") {
            return Err(bad("it must begin with amqp:// or amqps://"));
        }
        // The parser's own message can repeat the URL, password and all.
        let mut uri: AMQPUri = text.parse().map_err(|_repeats_the_url: String| {
            bad("write it as amqp://user:password@host:5672/vhost, with special characters percent-encoded")
        })?;
        if let Some(host) = literal_ipv6(text) {
            // The parser takes names only, and would silently go to localhost.
            uri.authority.host = host;
        }
        uri.query.heartbeat = Some(heartbeat_seconds);
        uri.query.frame_max = Some(uri.query.frame_max.unwrap_or(FRAME_MAX).clamp(FRAME_MIN, FRAME_MAX));
        let host = &uri.authority.host;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let shown = format!("RabbitMQ at {host}:{} (virtual host `{}`)", uri.authority.port, uri.vhost);
        Ok(Self { uri, shown })
    }

    pub(super) fn uri(&self) -> AMQPUri {
        self.uri.clone()
    }

    pub(super) fn host(&self) -> &str {
        &self.uri.authority.host
    }

    pub(super) fn port(&self) -> u16 {
        self.uri.authority.port
    }

    pub(super) fn vhost(&self) -> &str {
        &self.uri.vhost
    }

    pub(super) fn tls(&self) -> bool {
        self.uri.scheme == AMQPScheme::AMQPS
    }

    /// Host, port and virtual host: what may be shown.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }
}

/// The host between brackets, if the URL has one.
fn literal_ipv6(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (inside, _) = host.strip_prefix('[')?.split_once(']')?;
    Some(inside.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, BrokerError> {
        Address::parse(&SecretString::from(url.to_owned()), 1, 10)
    }

    #[test]
    fn an_address_is_shown_without_user_and_password() {
        let address = parse("amqp://ann:s3cret@rabbit.example:5673/%2f").expect("a good URL");
        assert_eq!(address.shown(), "RabbitMQ at rabbit.example:5673 (virtual host `/`)");
        assert!(!format!("{address:?}").contains("s3cret"));
        assert!(!format!("{address:?}").contains("ann"));
    }

    #[test]
    fn a_bad_url_is_named_by_its_place_and_not_repeated() {
        for url in ["http://ann:s3cret@h", "amqp:ann:s3cret", "amqp://ann:s3cret@h:port/", "amqp://ann:s3cret@[::1", ""]
        {
            let error = parse(url).expect_err(url).to_string();
            assert!(error.contains("entry 1"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn an_ipv6_literal_is_not_taken_for_localhost() {
        let address = parse("amqp://ann:p%5B%40@[2001:db8::1]:5673/v").expect("a good URL");
        assert_eq!((address.host(), address.port(), address.vhost()), ("2001:db8::1", 5673, "v"));
        assert_eq!(address.shown(), "RabbitMQ at [2001:db8::1]:5673 (virtual host `v`)");
    }

    #[test]
    fn the_configured_heartbeat_holds_and_tls_has_its_port() {
        let address = parse("amqps://h/?heartbeat=600").expect("a good URL");
        assert_eq!(address.uri().query.heartbeat, Some(10));
        assert!(address.tls());
        assert_eq!(address.port(), 5671);
    }
}

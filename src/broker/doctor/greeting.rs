//! What a broker says of itself before anybody logs in. The client library reads it and keeps it to itself.

use std::time::Duration;

use lapin::types::FieldTable;
use lapin::types::parsing::parse_field_table;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::broker::address::Address;
use crate::broker::delivered::header_text;

const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
/// Frame type and channel, then the payload's length.
const FRAME_PREFIX: usize = 7;
/// `connection.start`, version 0-9: class 10, method 10.
const START: [u8; 6] = [0, 10, 0, 10, 0, 9];
/// A greeting is a few hundred bytes.
const GREETING_BYTES_MAX: usize = 65_536;

/// Product and version, as in "RabbitMQ 3.10.8"; `None` over TLS, and where nothing is told.
pub(super) async fn product(address: &Address, limit: Duration) -> Option<String> {
    if address.tls() {
        return None;
    }
    let properties = timeout(limit, greet(address)).await.ok()??;
    let text = |name| header_text(&properties, name);
    Some(format!("{} {}", text("product")?, text("version")?))
}

async fn greet(address: &Address) -> Option<FieldTable> {
    let mut stream = TcpStream::connect((address.host(), address.port())).await.ok()?;
    stream.write_all(PROTOCOL_HEADER).await.ok()?;
    let mut prefix = [0; FRAME_PREFIX];
    stream.read_exact(&mut prefix).await.ok()?;
    let [1, 0, 0, length @ ..] = prefix else { return None };
    let length = usize::try_from(u32::from_be_bytes(length)).ok().filter(|length| *length <= GREETING_BYTES_MAX)?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.ok()?;
    server_properties(&payload)
}

fn server_properties(payload: &[u8]) -> Option<FieldTable> {
    let table = payload.strip_prefix(&START)?;
    parse_field_table(table).ok().map(|(_rest, table)| table)
}

#[cfg(test)]
mod tests {
    use lapin::types::AMQPValue;

    use super::*;

    #[test]
    fn the_servers_properties_are_read_and_anything_else_is_not() {
        // {"product": "RabbitMQ"} as a table, then what follows it in a greeting.
        let mut payload = START.to_vec();
        let entry = b"\x07productS\x00\x00\x00\x08RabbitMQ";
        payload.extend(u32::try_from(entry.len()).expect("short").to_be_bytes());
        payload.extend(entry);
        payload.extend(b"\x00\x00\x00\x05PLAIN");
        let table = server_properties(&payload).expect("a greeting");
        assert_eq!(table.inner().get("product"), Some(&AMQPValue::LongString("RabbitMQ".into())));
        for cut in 0..payload.len() - 9 {
            assert_eq!(server_properties(&payload[..cut]), None, "{cut}");
        }
    }
}

//! A publisher that writes what no client library would.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::url;

fn frame(kind: u8, channel: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&[kind, 0, channel][..], &length, payload, &[206]].concat()
}

fn short(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("short").to_be_bytes()[..], bytes].concat()
}

/// Reads one frame.
async fn answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut prefix = [0; 7];
    stream.read_exact(&mut prefix).await.expect("a frame");
    let length = u32::from_be_bytes([prefix[3], prefix[4], prefix[5], prefix[6]]);
    let mut payload = vec![0; usize::try_from(length).expect("short") + 1];
    stream.read_exact(&mut payload).await.expect("a payload");
    payload
}

/// Publishes a message with these flags and these bytes for properties, and waits until the broker has read it.
pub(crate) async fn publish(exchange: &str, key: &str, flags: u16, properties: &[u8], body: &[u8]) {
    let url = url();
    let (user, host) = url.trim_start_matches("amqp://").rsplit_once('@').expect("user and host");
    let (name, password) = user.split_once(':').expect("user and password");
    let host = host.split('/').next().expect("a host");
    let mut stream = TcpStream::connect(host).await.expect("connect");
    stream.write_all(b"AMQP\x00\x00\x09\x01").await.expect("write");
    answer(&mut stream).await;
    let login = long(format!("\0{name}\0{password}").as_bytes());
    let start_ok = [&[0, 10, 0, 11][..], &long(&[]), &short("PLAIN"), &login, &short("en_US")].concat();
    stream.write_all(&frame(1, 0, &start_ok)).await.expect("write");
    answer(&mut stream).await;
    let tune_ok = [&[0, 10, 0, 31, 7, 255][..], &131_072_u32.to_be_bytes(), &[0, 0]].concat();
    stream.write_all(&frame(1, 0, &tune_ok)).await.expect("write");
    stream.write_all(&frame(1, 0, &[&[0, 10, 0, 40][..], &short("/"), &[0, 0]].concat())).await.expect("write");
    answer(&mut stream).await;
    stream.write_all(&frame(1, 1, &[0, 20, 0, 10, 0])).await.expect("write");
    answer(&mut stream).await;
    let publish = [&[0, 60, 0, 40, 0, 0][..], &short(exchange), &short(key), &[0]].concat();
    let size = u64::try_from(body.len()).expect("short").to_be_bytes();
    let header = [&[0, 60, 0, 0][..], &size, &flags.to_be_bytes(), properties].concat();
    stream.write_all(&[frame(1, 1, &publish), frame(2, 1, &header), frame(3, 1, body)].concat()).await.expect("write");
    // Closing the channel is answered after the message was read.
    stream.write_all(&frame(1, 1, &[&[0, 20, 0, 40, 0, 200, 0][..], &[0; 4]].concat())).await.expect("write");
    assert_eq!(answer(&mut stream).await[..4], [0, 20, 0, 41], "the broker takes it");
}

/// A table in a table in a table …
pub(crate) fn nested_table(levels: usize) -> Vec<u8> {
    // Each level is an entry with an empty name and the kind `F`, and the length of what is inside.
    let mut inside = 0_u32;
    let mut lengths = vec![inside];
    for _ in 0..levels {
        inside += 6;
        lengths.push(inside);
    }
    let mut table = Vec::new();
    for (level, length) in lengths.iter().rev().enumerate() {
        if level > 0 {
            table.extend([0, b'F']);
        }
        table.extend(length.to_be_bytes());
    }
    table
}

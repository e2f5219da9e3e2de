//! Frames that the client library can read pass as they are; the others become such.

use lapin::protocol::basic::parse_properties;
use proptest::prelude::*;

use super::*;

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&[kind, 0, 1][..], &length, payload, &[206]].concat()
}

fn header(flags: u16, properties: &[u8]) -> Vec<u8> {
    let payload = [&[0, 60, 0, 0][..], &5_u64.to_be_bytes(), &flags.to_be_bytes(), properties].concat();
    frame(HEADER, &payload)
}

fn guarded(input: &[u8]) -> (Vec<u8>, u64) {
    let (mut guard, mut output) = (Guard::default(), Vec::new());
    guard.pass(input, &mut output).expect("small frames");
    (output, guard.replaced())
}

/// The same whatever the pieces in which it comes.
fn passed(input: &[u8]) -> (Vec<u8>, u64) {
    let whole = guarded(input);
    let (mut guard, mut output) = (Guard::default(), Vec::new());
    for byte in input {
        guard.pass(&[*byte], &mut output).expect("small frames");
    }
    assert_eq!((output, guard.replaced()), whole);
    whole
}

fn nested(levels: usize) -> Vec<u8> {
    (0..levels).fold(vec![0, 0, 0, 0], |inner, _| {
        let length = u32::try_from(inner.len() + 2).expect("short").to_be_bytes();
        [&length[..], &[0, b'F'], &inner].concat()
    })
}

fn unreadable() -> Vec<u8> {
    header(0x0080, &[&[u8::try_from(UNREADABLE.len()).expect("short")], UNREADABLE.as_bytes()].concat())
}

#[test]
fn good_frames_pass_as_they_are() {
    let deliver = [&[0, 60, 0, 60, 1, b't'][..], &[0; 9], b"\x01e\x01k"].concat();
    let properties = [&b"\x05plain"[..], &nested(3), &[2], b"\x01m"].concat();
    let stream = [
        frame(METHOD, &deliver),
        header(0b1011_0000_1000_0000, &properties),
        frame(BODY, &[255; 300]),
        frame(HEARTBEAT, &[]),
        header(0, &[]),
    ]
    .concat();
    assert_eq!(passed(&stream), (stream, 0));
}

#[test]
fn properties_that_are_not_utf8_are_replaced_and_the_body_is_not() {
    let body = frame(BODY, &[255, 254, 253, 1, 2]);
    let stream = [header(0x0080, &[2, 255, 254]), body.clone()].concat();
    assert_eq!(passed(&stream), ([unreadable(), body].concat(), 1));
    // A header's name is a short string as well.
    let table = [&[0, 0, 0, 3][..], &[1, 255, b'V']].concat();
    assert_eq!(passed(&header(0x2000, &table)), (unreadable(), 1));
}

#[test]
fn deep_nesting_is_replaced() {
    let depth = |levels| passed(&header(0x2000, &nested(levels))).1;
    assert_eq!((depth(DEPTH_MAX - 1), depth(DEPTH_MAX), depth(2000), depth(20_000)), (0, 1, 1, 1));
}

#[test]
fn properties_that_do_not_fill_their_frame_are_replaced() {
    for (flags, properties) in [
        (0x0080, &[5, b'm'][..]),
        (0x0080, &[1, b'm', 0]),
        (0x2000, &[0, 0, 0, 9]),
        (0x2000, &[255, 255, 255, 255]),
        (0x2000, &[0, 0, 0, 2, 0, b'?']),
        (0x0001, &[0, 0]),
        (0x0002, &[]),
    ] {
        assert_eq!(passed(&header(flags, properties)), (unreadable(), 1), "{flags:x} {properties:?}");
    }
}

#[test]
fn names_that_are_not_utf8_are_mended_in_place() {
    let ends = b"\x02e\xff\x03k\xfe\xfd";
    let mended = b"\x02e?\x03k??";
    for start in [
        [&[0, 60, 0, 60, 1, b't'][..], &[0; 9]].concat(),
        [&[0, 60, 0, 71][..], &[0; 9]].concat(),
        [&[0, 60, 0, 50, 1, 56][..], b"\x08NO_ROUTE"].concat(),
    ] {
        let before = frame(METHOD, &[&start[..], ends].concat());
        assert_eq!(passed(&before), (frame(METHOD, &[&start[..], mended].concat()), 0));
    }
}

#[test]
fn what_is_not_amqp_passes() {
    for text in [&b"AMQP\x00\x00\x09\x01"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
        assert_eq!(passed(text), (text.to_vec(), 0));
    }
}

#[test]
fn a_frame_above_the_agreed_size_is_not_held() {
    for kind in [METHOD, HEADER] {
        let (mut guard, mut output) = (Guard::default(), Vec::new());
        let error = guard.pass(&[kind, 0, 1, 255, 255, 255, 255, 1, 2, 3], &mut output).expect_err("4 GiB");
        assert!(error.to_string().contains("4294967295 bytes"), "{error}");
        assert!(output.is_empty());
    }
}

proptest! {
    /// Whatever a publisher writes, what comes out is read by the library without error.
    #[test]
    fn whatever_comes_the_library_reads_it(flags: u16, properties in prop::collection::vec(any::<u8>(), 0..200)) {
        let (output, _) = guarded(&header(flags, &properties));
        let properties = &output[PREFIX + 12..output.len() - END];
        let (rest, _) = parse_properties(properties).expect("readable");
        prop_assert!(rest.is_empty());
    }

    /// Any bytes at all in place of a stream, in any pieces.
    #[test]
    fn no_bytes_make_it_panic_or_lose_its_place(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        let (mut first, mut second) = (Guard::default(), Guard::default());
        let end = first.pass(&bytes, &mut whole).is_ok();
        let ends = bytes.iter().all(|byte| second.pass(&[*byte], &mut pieces).is_ok());
        prop_assert_eq!((end, whole), (ends, pieces));
    }
}

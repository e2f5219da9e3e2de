//! Frames and messages, as the worker reads them from a runner that may be lost to the program.

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tester_runner::frame::{
    CONTROL_BYTES_MAX, HEADER_BYTES, Kind, decode_header, encode_header, read_frame, write_frame,
};
use tester_runner::message::{Ended, Fault, Ready, Start};

use crate::spoil::{apply, change, config, json, spoil, spoilt};

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let kinds =
        vec![Kind::Stdout, Kind::Stderr, Kind::Report, Kind::StdinCredit, Kind::Started, Kind::Ended, Kind::Fault];
    let frame = (proptest::sample::select(kinds), proptest::collection::vec(any::<u8>(), 0..64));
    proptest::collection::vec(frame, 1..8).prop_map(|frames| {
        let mut wire = Vec::new();
        for (kind, payload) in frames {
            let fits = payload.len().min(if kind == Kind::Started { 0 } else { 4 });
            let payload = if matches!(kind, Kind::StdinCredit | Kind::Started) { &payload[..fits] } else { &payload };
            write_frame(&mut wire, kind, payload).unwrap();
        }
        wire
    })
}

/// What can be read says the same when it is written and read again.
fn again<T: DeserializeOwned + Serialize + PartialEq>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(message) = serde_json::from_slice::<T>(bytes) {
        let written = serde_json::to_vec(&message).unwrap();
        prop_assert!(serde_json::from_slice::<T>(&written).is_ok_and(|read| read == message));
    }
    Ok(())
}

/// A report that says everything.
fn ended() -> Value {
    serde_json::json!({
        "cause": "exited", "exit": { "code": 0 }, "launch_error": { "step": "exec", "errno": 2, "message": "no" },
        "wall_nanoseconds": 1, "cpu_nanoseconds": 1, "throttled_nanoseconds": 1, "cpu_wait_nanoseconds": 1, "memory_peak_bytes": 1,
        "memory_peak_source": "cgroup", "oom_kills": 0, "pids_limit_hits": 0, "processes_killed": 0,
        "kill_nanoseconds": 1, "stdout_bytes_total": 1, "stderr_bytes_total": 1, "report_truncated": false, "clean": true,
    })
}

#[test]
fn the_report_that_is_spoilt_below_is_a_good_one() {
    serde_json::from_value::<Ended>(ended()).unwrap();
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_header_is_refused_or_says_again_what_it_said(header in any::<[u8; HEADER_BYTES]>()) {
        if let Ok((kind, length)) = decode_header(header) {
            prop_assert_eq!(encode_header(kind, length), Ok(header));
            prop_assert!(length <= CONTROL_BYTES_MAX);
        }
    }

    #[test]
    fn a_stream_of_any_bytes_ends(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let mut reader = bytes.as_slice();
        while let Ok(Some((_, payload))) = read_frame(&mut reader) {
            prop_assert!(payload.len() <= bytes.len());
        }
    }

    #[test]
    fn a_spoilt_stream_ends(wire in stream(), spoils in proptest::collection::vec(spoil(), 0..4)) {
        let bytes = spoilt(&wire, &spoils);
        let mut reader = bytes.as_slice();
        let mut seen = Vec::new();
        while let Ok(Some((kind, payload))) = read_frame(&mut reader) {
            write_frame(&mut seen, kind, &payload).unwrap();
        }
        prop_assert!(bytes.starts_with(&seen));
        if spoils.is_empty() {
            prop_assert_eq!(seen, wire);
        }
    }

    #[test]
    fn a_message_of_any_json_is_read_or_refused(value in json(), spoils in proptest::collection::vec(spoil(), 0..3)) {
        let bytes = spoilt(value.to_string().as_bytes(), &spoils);
        again::<Ended>(&bytes)?;
        again::<Ready>(&bytes)?;
        again::<Start>(&bytes)?;
        again::<Fault>(&bytes)?;
    }
    #[test]
    fn a_changed_report_is_read_or_refused(changes in proptest::collection::vec(change(), 1..4)) {
        let mut report = ended();
        for change in &changes {
            apply(&mut report, change);
        }
        again::<Ended>(report.to_string().as_bytes())?;
    }
}

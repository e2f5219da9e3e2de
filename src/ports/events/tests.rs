//! What the buffer gathers, what it drops, and that nobody ever waits for it.

use tokio::time::timeout;

use super::*;
use crate::domain::outcome::RunRecord;
use crate::domain::verdict::Status;

const OUT: Stream = Stream::Stdout;
const ERR: Stream = Stream::Stderr;

fn record(name: &str, output: usize) -> CaseRecord {
    let mut run = RunRecord::not_run(Status::Ok, None, String::new());
    run.stdout.content = Content::new(vec![b'c'; output]);
    CaseRecord { name: name.to_owned(), run }
}

/// An event in short: its number, what it is, how many bytes or which case.
fn short(event: &Numbered) -> (u64, String) {
    let text = match &event.event {
        JobEvent::Started => "started".to_owned(),
        JobEvent::Output(stream, content) if content.len() <= 16 => {
            format!("{stream:?} {}", String::from_utf8_lossy(content.as_bytes()))
        }
        JobEvent::Output(stream, content) => format!("{stream:?} {} bytes", content.len()),
        JobEvent::Case(record) => format!("case {}", record.name),
    };
    (event.seq, text)
}

/// Everything that comes out of a run that is over.
async fn rest(source: &EventSource) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    while let Some(event) = source.next().await {
        all.push(short(&event));
    }
    all
}

fn rows(rows: &[(u64, &str)]) -> Vec<(u64, String)> {
    rows.iter().map(|(seq, text)| (*seq, (*text).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn bytes_of_one_stream_are_gathered_until_a_case_ends() {
    let (sink, source) = channel();
    sink.started();
    for (stream, text) in [(OUT, "a"), (OUT, "b"), (ERR, "x"), (OUT, "c"), (ERR, "y")] {
        sink.output(stream, text.as_bytes());
    }
    sink.case(&record("one", 3));
    sink.started();
    sink.output(OUT, b"d");
    sink.case(&record("two", 3));
    drop(sink);
    let expected =
        [(1, "started"), (2, "Stdout abc"), (3, "Stderr xy"), (4, "case one"), (5, "Stdout d"), (6, "case two")];
    assert_eq!(rest(&source).await, rows(&expected));
    assert_eq!(source.dropped_and_waiting(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_chunk_is_told_when_its_time_is_over_or_it_is_full_or_the_run_is() {
    let (sink, source) = channel();
    let began = Instant::now();
    sink.output(OUT, b"slow");
    assert_eq!(short(&source.next().await.unwrap()), (1, "Stdout slow".to_owned()));
    assert_eq!(began.elapsed(), GATHER, "it was gathered for as long");
    sink.output(OUT, &vec![b'x'; CHUNK_BYTES_MAX + 1]);
    assert_eq!(short(&source.next().await.unwrap()), (2, "Stdout 65536 bytes".to_owned()));
    assert_eq!(began.elapsed(), GATHER, "a full one waits for nothing");
    drop(sink);
    assert_eq!(short(&source.next().await.unwrap()), (3, "Stdout x".to_owned()));
    assert_eq!(source.next().await, None);
    assert_eq!(began.elapsed(), GATHER, "nor do the last ones");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_woken_by_what_comes_and_by_the_end() {
    let (sink, source) = channel();
    let told = async { (source.next().await, source.next().await) };
    let run = async {
        tokio::task::yield_now().await;
        sink.started();
        tokio::task::yield_now().await;
        drop(sink);
    };
    let ((first, second), ()) = timeout(GATHER, async { tokio::join!(told, run) }).await.unwrap();
    assert_eq!((first.map(|event| event.seq), second), (Some(1), None));
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_leaves_a_gap_and_nothing_is_joined_across_it() {
    let (sink, source) = channel();
    sink.output(OUT, &vec![b'x'; OUTPUT_MAX.bytes - 10]);
    sink.output(OUT, b"12345678901234567890");
    sink.output(ERR, b"lost");
    let first = source.next().await.unwrap();
    assert_eq!(short(&first), (1, "Stdout 65536 bytes".to_owned()));
    sink.output(OUT, b"after");
    drop(sink);
    let chunks = u64::try_from(OUTPUT_MAX.bytes / CHUNK_BYTES_MAX).unwrap();
    let told = rest(&source).await;
    assert_eq!(told.len() as u64, chunks, "{told:?}");
    assert_eq!(told[told.len() - 2], (chunks, "Stdout 65536 bytes".to_owned()), "filled up to the last byte");
    assert_eq!(told[told.len() - 1], (chunks + 3, "Stdout after".to_owned()), "two were dropped");
    assert_eq!(source.dropped_and_waiting().0, 2);
}

#[tokio::test(start_paused = true)]
async fn no_flood_takes_the_room_of_cases_and_both_are_bounded() {
    let (sink, source) = channel();
    for number in 0..10_000_u32 {
        sink.output(OUT, &vec![b'x'; 100_000]);
        sink.case(&record(&number.to_string(), 0));
    }
    sink.case(&record("large", CASES_MAX.bytes));
    {
        let waiting = source.0.lock();
        assert_eq!((waiting.output.bytes, waiting.cases.events), (OUTPUT_MAX.bytes, CASES_MAX.events));
        assert!(waiting.queue.len() <= OUTPUT_MAX.events + CASES_MAX.events, "{}", waiting.queue.len());
    }
    drop(sink);
    let told = rest(&source).await;
    let cases: Vec<_> = told.iter().filter_map(|(_, text)| text.strip_prefix("case ")).collect();
    let expected: Vec<_> = (0..CASES_MAX.events).map(|number| number.to_string()).collect();
    assert_eq!(cases, expected, "the first ones, in order");
    assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0), "numbers rise");
    let waiting = source.0.lock();
    assert_eq!((waiting.output.bytes, waiting.output.events), (0, 0), "all room is free again");
    assert_eq!((waiting.cases.bytes, waiting.cases.events), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn many_small_chunks_are_bounded_in_number() {
    let (sink, source) = channel();
    // A case that finds no room still parts what was written before it from what comes after.
    for _ in 0..1_000 {
        sink.output(OUT, b"x");
        sink.case(&record("large", CASES_MAX.bytes));
    }
    let (dropped, waiting) = source.dropped_and_waiting();
    assert_eq!((dropped, waiting), (1_000 + 1_000 - 256, 256));
}

#[tokio::test(start_paused = true)]
async fn without_a_listener_nothing_is_kept() {
    EventSink::silent().output(OUT, b"x");
    let (sink, source) = channel();
    let buffer = Arc::clone(&source.0);
    sink.output(OUT, b"x");
    drop(source);
    sink.output(OUT, b"y");
    sink.case(&record("one", 1));
    assert_eq!(buffer.lock().queue.len(), 0);
}

#[test]
fn output_never_shows_in_a_debug_text() {
    let (sink, source) = channel();
    sink.output(OUT, b"SWORDFISH");
    let text = format!("{sink:?} {source:?}");
    assert!(!text.contains("SWORDFISH") && !text.contains("83, 87"), "{text}");
}

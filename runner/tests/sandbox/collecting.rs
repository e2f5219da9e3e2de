//! What a job left: listed and fetched between runs, however hostile its shape.

use tester_runner::frame::Kind;
use tester_runner::listing::{self, Entry, EntryKind};
use tester_runner::message::{FileEnd, List, Listed};

use crate::harness::{Options, Sandbox, start};

fn list(sandbox: &mut Sandbox, entries_max: u64, depth_max: u32) -> (Vec<Entry>, bool) {
    let order = List { entries_max, depth_max };
    sandbox.send(Kind::List, &serde_json::to_vec(&order).unwrap());
    let mut entries = Vec::new();
    loop {
        match sandbox.next().expect("the runner lives") {
            (Kind::Listing, payload) => entries.extend(listing::parse(&payload).expect("a listing")),
            (Kind::Listed, payload) => {
                let Listed { truncated } = serde_json::from_slice(&payload).unwrap();
                entries.sort_by(|a, b| a.path.cmp(&b.path));
                return (entries, truncated);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The file, or why it does not come.
#[derive(Debug, PartialEq)]
enum Fetched {
    File(Vec<u8>),
    Refused(String),
}

fn fetch(sandbox: &mut Sandbox, path: &[u8]) -> Fetched {
    sandbox.send(Kind::Fetch, path);
    let mut content = Vec::new();
    loop {
        match sandbox.next().expect("the runner lives") {
            (Kind::File, payload) => content.extend(payload),
            (Kind::FileEnd, payload) => {
                let FileEnd { error } = serde_json::from_slice(&payload).unwrap();
                return error.map_or(Fetched::File(content), Fetched::Refused);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A sandbox in which this Python program has run.
fn after(program: &str, options: &Options) -> Sandbox {
    let mut sandbox = Sandbox::with(options);
    let run = sandbox.run(&start(&["python3", "-c", program]), &[], b"");
    assert_eq!((run.err().as_str(), run.ended.clean), ("", true), "{:?}", run.ended);
    sandbox
}

fn kinds(entries: &[Entry]) -> Vec<(String, EntryKind)> {
    entries.iter().map(|entry| (String::from_utf8_lossy(&entry.path).into_owned(), entry.kind)).collect()
}

#[test]
fn regular_files_come_back_byte_for_byte_and_say_whether_they_are_executable() {
    let mut sandbox = after(
        "import os\nos.makedirs('a/b')\nopen('a/b/x', 'wb').write(bytes(range(256)) * 1000)\n\
         open('run', 'w').close(); os.chmod('run', 0o700)\nopen(b'\\xff\\n', 'w').write('odd')",
        &Options::default(),
    );
    let (entries, truncated) = list(&mut sandbox, 100, 8);
    let seen: Vec<_> = entries.iter().map(|entry| (entry.path.as_slice(), entry.bytes, entry.executable)).collect();
    assert_eq!(seen, [(b"a/b/x".as_slice(), 256_000, false), (b"run", 0, true), (b"\xff\n", 3, false)]);
    assert!(!truncated && entries.iter().all(|entry| entry.kind == EntryKind::Regular));
    let expected: Vec<u8> = (0..=255).collect::<Vec<u8>>().repeat(1000);
    assert_eq!(fetch(&mut sandbox, b"a/b/x"), Fetched::File(expected));
    assert_eq!(fetch(&mut sandbox, b"\xff\n"), Fetched::File(b"odd".to_vec()));
    assert_eq!(fetch(&mut sandbox, b"run"), Fetched::File(Vec::new()));
}

#[test]
fn nothing_but_regular_files_comes_and_no_link_is_followed() {
    let mut sandbox = after(
        "import os, socket\nos.symlink('/etc/passwd', 'link'); os.symlink('/etc', 'folder-link')\n\
         os.mkfifo('fifo'); socket.socket(socket.AF_UNIX).bind('socket')\nopen('file', 'w').write('x')\n\
         os.symlink('/tester', 'self'); os.link('file', 'hard')",
        &Options::default(),
    );
    let (entries, _) = list(&mut sandbox, 100, 8);
    let expected = [
        ("fifo", EntryKind::Fifo),
        ("file", EntryKind::Regular),
        ("folder-link", EntryKind::Symlink),
        ("hard", EntryKind::Regular),
        ("link", EntryKind::Symlink),
        ("self", EntryKind::Symlink),
        ("socket", EntryKind::Socket),
    ];
    assert_eq!(kinds(&entries), expected.map(|(path, kind)| (path.to_owned(), kind)));
    for refused in ["link", "folder-link/passwd", "fifo", "socket", "self/pytest_driver.py", "../etc/passwd"] {
        assert!(matches!(fetch(&mut sandbox, refused.as_bytes()), Fetched::Refused(_)), "{refused}");
    }
    for refused in ["/etc/passwd", ".", "", "a//b", "./file", "absent", "file/x"] {
        assert!(matches!(fetch(&mut sandbox, refused.as_bytes()), Fetched::Refused(_)), "{refused}");
    }
    assert_eq!(fetch(&mut sandbox, b"file"), Fetched::File(b"x".to_vec()), "a refused file costs nothing");
}

#[test]
fn folders_that_are_shut_or_nested_without_end_are_named_and_not_entered() {
    let mut sandbox = after(
        "import os\nos.makedirs('shut/x'); os.chmod('shut', 0)\nos.mkdir('blind'); open('blind/f', 'w').close()\n\
         os.chmod('blind', 0o400)\nopen('unreadable', 'w').close(); os.chmod('unreadable', 0)\n\
         for _ in range(100):\n    os.mkdir('d'); os.chdir('d')\nopen('end', 'w').close()",
        &Options::default(),
    );
    let (entries, truncated) = list(&mut sandbox, 100, 4);
    let expected = [
        ("blind", EntryKind::Closed),
        ("d/d/d/d", EntryKind::DeepFolder),
        ("shut", EntryKind::Closed),
        ("unreadable", EntryKind::Regular),
    ];
    assert_eq!(kinds(&entries), expected.map(|(path, kind)| (path.to_owned(), kind)));
    assert!(!truncated);
    assert!(matches!(fetch(&mut sandbox, b"unreadable"), Fetched::Refused(_)));
    let (entries, _) = list(&mut sandbox, 100, 101);
    let deepest = entries.iter().map(|entry| entry.path.len()).max();
    assert_eq!(deepest, Some("d/".len() * 100 + "end".len()), "{entries:?}");
}

#[test]
fn more_entries_than_asked_for_are_left_out_and_that_is_said() {
    let program = "for n in range(900):\n    open('n' * 200 + str(n), 'w').close()";
    let mut sandbox = after(program, &Options::default());
    let (entries, truncated) = list(&mut sandbox, 900, 8);
    assert_eq!((entries.len(), truncated), (900, false), "several frames of them");
    let (entries, truncated) = list(&mut sandbox, 899, 8);
    assert_eq!((entries.len(), truncated), (899, true));
}

#[test]
fn the_next_run_finds_nothing_of_what_was_collected_and_collecting_before_any_run_is_a_fault() {
    let mut sandbox = after("open('left', 'w').write('x')", &Options::default());
    assert_eq!(fetch(&mut sandbox, b"left"), Fetched::File(b"x".to_vec()));
    let run = sandbox.run(&start(&["ls", "-A", "/box"]), &[], b"");
    assert_eq!(run.out(), "");
    let mut unused = Sandbox::new();
    unused.send(Kind::Fetch, b"x");
    assert_eq!(unused.fault().step, "collect");
    assert_eq!(unused.hang_up(), "1");
}

//! What a job brings arrives as it is, byte for byte, and what cannot arrive is told.

use std::fmt::Write as _;

use serde_json::json;
use tester_worker::domain::verdict::Status;

use crate::job::Job;

fn noise(bytes: usize) -> Vec<u8> {
    // No two blocks of a pipe's size are alike, so one that is lost or doubled shows.
    (0..bytes).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn several_mebibytes_of_stdin_arrive_whole_and_end() {
    let stdin = noise(4 << 20);
    let code =
        "import hashlib, sys\ndata = sys.stdin.buffer.read()\nprint(len(data), hashlib.sha256(data).hexdigest())";
    let ran = Job::python(code).stdin(stdin.clone()).run();
    assert_eq!(ran.printed(), format!("{} {}\n", stdin.len(), hex(&stdin)));
    assert_eq!(Job::python("import sys\nprint(sys.stdin.buffer.read())").run().printed(), "b''\n", "none is empty");
}

#[test]
fn a_program_that_never_reads_its_stdin_is_not_held_up() {
    let stdin = noise(4 << 20);
    assert_eq!(Job::python("print('done')").stdin(stdin.clone()).run().printed(), "done\n");
    let closes = "import os, time\nos.read(0, 10)\nos.close(0)\ntime.sleep(0.3)\nprint('closed')";
    assert_eq!(Job::python(closes).stdin(stdin).run().printed(), "closed\n");
}

#[test]
fn arguments_and_variables_arrive_as_they_are() {
    let args = [
        "",
        " ",
        "a b",
        "line\nbreak\r\n",
        "--help",
        "-c",
        "$HOME `id` ; | & * ? \\ \" '",
        "{entry}",
        "ñ💥\u{1}\u{7f}",
        "\t",
    ];
    let code = "import json, os, sys\nprint(json.dumps([sys.argv[1:], {n: v for n, v in os.environ.items() if n.startswith('X')}]))";
    let ran = Job::python(code).args(&args).env("X_EMPTY", "").env("X_TEXT", "a=b\n'\"$ñ💥").run();
    assert_eq!(ran.json(), json!([args, { "X_EMPTY": "", "X_TEXT": "a=b\n'\"$ñ💥" }]));
}

#[test]
fn files_in_folders_arrive_byte_for_byte_whatever_their_names() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let names = [
        "a/b/c/deep.bin",
        "with space",
        "-rf",
        "new\nline",
        "tab\tand'quotes\"",
        "ñ/💥",
        "*?[x]",
        "%s",
        ".hidden",
        "a/\\",
    ];
    let code = "import json, os, sys
found = {}
for folder, _, files in os.walk('.'):
    for name in files:
        path = os.path.normpath(os.path.join(folder, name))
        content = open(path, 'rb').read()
        if path != 'main.py': found[path] = [content == bytes(range(256)), os.stat(path).st_uid == os.getuid(), os.access(path, os.X_OK)]
print(json.dumps(found))
sys.stdout.flush()";
    let job = names.iter().fold(Job::python(code), |job, name| job.file(name, &every_byte));
    let found = job.file("tool", &every_byte).executable().run().json();
    let mut expected = json!({ "tool": [true, true, true] });
    for name in names {
        expected[name] = json!([true, true, false]);
    }
    assert_eq!(found, expected);
}

#[test]
fn output_that_is_not_text_comes_back_as_the_same_bytes() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let code = "import os\ndata = open('data', 'rb').read()\nos.write(1, data)\nos.write(2, data[::-1])";
    let ran = Job::python(code).file("data", &every_byte).run();
    assert_eq!(ran.status(), Status::Ok);
    let run = &ran.0.outcome.run;
    let reversed: Vec<u8> = every_byte.iter().rev().copied().collect();
    assert_eq!((run.stdout.content.as_bytes(), run.stderr.content.as_bytes()), (&every_byte[..], &reversed[..]));
    let shown = serde_json::to_value(&ran.0).unwrap();
    assert!(shown["stdout"]["base64"].is_string() && shown["stdout"].get("text").is_none());
    let text = Job::python("print('ñ\\0\\x1b[31m')").run();
    assert_eq!(serde_json::to_value(&text.0).unwrap()["stdout"]["text"], "ñ\0\u{1b}[31m\n");
}

#[test]
fn a_program_of_the_jobs_own_is_executed_or_it_is_told_why_not() {
    let own = |content: &str| Job::of("python").argv(&["{entry}"]).entry("-prog").file("-prog", content);
    let script = "#!/bin/sh\nprintf '%s|' \"$@\"\n";
    assert_eq!(own(script).executable().args(&["a b", ""]).run().printed(), "a b||");
    for (job, exit_code, says) in
        [(own(script), 126, "Permission denied"), (own("#!/no/such/interpreter\n").executable(), 127, "No such file")]
    {
        let ran = job.run();
        assert_eq!((ran.status(), ran.exit()), (Status::RuntimeError, (Some(exit_code), None)), "{says}");
        let message = ran.0.outcome.run.message.clone().unwrap();
        assert!(message.contains("could not be executed") && message.contains(says), "{message}");
        assert_eq!((ran.stdout().as_str(), ran.stderr().as_str()), ("", ""));
    }
}

#[test]
fn a_program_starts_with_no_signal_blocked_or_ignored() {
    let ran = Job::of("python").argv(&["grep", "^Sig", "/proc/self/status"]).file("main.py", "").run();
    for line in ran.printed().lines().filter(|line| line.starts_with("SigBlk") || line.starts_with("SigIgn")) {
        assert!(line.ends_with("\t0000000000000000"), "{line}");
    }
    let terminated = Job::python(
        "import subprocess\nchild = subprocess.Popen(['sleep', '60'])\nchild.terminate()\nprint(child.wait())",
    );
    assert_eq!(terminated.limit("wall_seconds", 5).run().printed(), "-15\n");
}

#[test]
fn an_entry_that_is_missing_is_refused_and_one_in_a_folder_or_like_an_option_is_run() {
    for (job, name) in [
        (Job::of("python").file("other.py", ""), "main.py"),
        (Job::of("python").file("main.py", "").entry("nowhere.py"), "nowhere.py"),
    ] {
        let ran = job.run();
        let message = ran.0.outcome.run.message.clone().unwrap();
        assert!(ran.status() == Status::Rejected && message.contains(name), "{message}");
    }
    let other = Job::of("python").file("sub/other.py", "import sys\nprint(sys.argv)").entry("sub/other.py").run();
    assert_eq!(other.printed(), "['sub/other.py']\n");
    let option = Job::of("python").file("-c", "print('a file')").entry("-c").run();
    assert_eq!(option.printed(), "a file\n");
}

#[test]
fn more_arguments_than_a_program_can_be_given_are_refused_and_the_most_arrive() {
    let (long, fitting) = ("x".repeat(200_000), "x".repeat(100_000));
    let one = Job::python("").args(&[&long]).run();
    let message = one.0.outcome.run.message.clone().unwrap();
    assert!(one.status() == Status::Rejected && message.contains("longer than a program can be given"), "{message}");
    let many = (0..12).fold(Job::python(""), |job, n| job.env(&format!("V{n}"), &fitting)).run();
    let message = many.0.outcome.run.message.clone().unwrap();
    assert!(many.status() == Status::Rejected && message.contains("more than 1048576 bytes"), "{message}");
    let most = (0..10)
        .fold(Job::python("import os\nprint(len(os.environ['V9']))"), |job, n| job.env(&format!("V{n}"), &fitting));
    assert_eq!(most.run().printed(), "100000\n");
    let fits = Job::python("import sys\nprint(len(sys.argv[1]))").args(&[&fitting]).run();
    assert_eq!(fits.printed(), "100000\n");
}

#[test]
fn files_that_do_not_fit_into_the_scratch_folder_are_refused_before_anything_runs() {
    let ran = Job::python("").file("big", noise(2 << 20)).limit("scratch_bytes", 1 << 20).run();
    assert_eq!((ran.status(), ran.0.outcome.run.reason.as_deref()), (Status::Rejected, Some("over_policy")));
    let message = ran.0.outcome.run.message.clone().unwrap();
    assert!(message.contains("2097152") && message.contains("1048576"), "{message}");
}

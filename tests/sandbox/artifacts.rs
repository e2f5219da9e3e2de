//! Files that a job wants back.

use tester_worker::domain::content::Content;
use tester_worker::domain::verdict::Status;
use tester_worker::protocol::job_writer::CaseClaims;

use crate::job::{Job, Ran};

fn wanting(code: &str, globs: &[&str]) -> Job {
    let mut job = Job::python(code);
    job.draft.artifacts = globs.iter().map(|glob| (*glob).to_owned()).collect();
    job
}

fn came(ran: &Ran) -> Vec<(&str, &[u8])> {
    ran.0.outcome.artifacts.iter().map(|file| (file.path.as_str(), file.content.as_bytes())).collect()
}

fn refused(ran: &Ran) -> Vec<(&str, &str)> {
    ran.0.outcome.artifacts_refused.iter().map(|file| (file.path.as_str(), file.reason.as_str())).collect()
}

#[test]
fn files_that_match_come_back_byte_for_byte_however_the_program_ended() {
    let code = "import os, sys\nos.makedirs('out/deep')\nopen('out/a.csv', 'wb').write(bytes(range(256)) * 300)\n\
        open('out/deep/b.csv', 'w').write('b')\nopen('out/c.txt', 'w').write('c')\nsys.exit(3)";
    let ran = wanting(code, &["out/*.csv", "out/**/b.csv"]).run();
    assert_eq!(ran.status(), Status::RuntimeError);
    let bytes: Vec<u8> = (0..=255).collect::<Vec<u8>>().repeat(300);
    assert_eq!(came(&ran), [("out/a.csv", bytes.as_slice()), ("out/deep/b.csv", b"b")]);
    assert_eq!(ran.0.outcome.artifacts[0].bytes_total, 76_800);
    assert_eq!(refused(&ran), []);
}

#[test]
fn links_pipes_and_sockets_are_refused_by_name_and_reach_nothing() {
    let code = "import os, socket\nos.mkdir('out')\nos.symlink('/etc/passwd', 'out/passwd')\nos.symlink('/proc/1/environ', 'out/env')\n\
        os.mkfifo('out/fifo')\nsocket.socket(socket.AF_UNIX).bind('out/socket')\nos.symlink('/etc', 'etc')\n\
        open('out/fine', 'w').write('fine')";
    let ran = wanting(code, &["out/*", "etc/passwd"]).run();
    assert_eq!(came(&ran), [("out/fine", b"fine".as_slice())]);
    let expected = [
        ("etc", "symlink"),
        ("out/env", "symlink"),
        ("out/fifo", "fifo"),
        ("out/passwd", "symlink"),
        ("out/socket", "socket"),
    ];
    assert_eq!(refused(&ran), expected);
}

#[test]
fn too_many_and_too_large_files_are_left_out_and_named() {
    let code = "for n in range(300):\n    open(f'{n:03}.out', 'w').write('x')\n\
        open('000.large', 'wb').write(b'x' * 5_000_000)";
    let ran = wanting(code, &["*.out", "*.large"]).run();
    assert_eq!(ran.0.outcome.artifacts.len(), 256);
    let refused = refused(&ran);
    assert_eq!((refused[0], refused[1], refused.len()), (("000.large", "too_large"), ("256.out", "too_many"), 45));
}

#[test]
fn what_a_killed_program_wrote_until_then_comes_back() {
    let code = "import time\nf = open('log', 'w')\nf.write('so far')\nf.flush()\ntime.sleep(60)";
    let ran = wanting(code, &["log"]).limit("wall_seconds", 1).run();
    assert_eq!(ran.status(), Status::TimeLimit);
    assert_eq!(came(&ran), [("log", b"so far".as_slice())]);
}

#[test]
fn the_artifacts_of_a_job_with_cases_are_those_of_the_case_that_decided_it() {
    let code = "n = int(input())\nopen('n', 'w').write(str(n))\nraise SystemExit(n == 2)";
    let with = |inputs: &[&str]| {
        let mut job = wanting(code, &["n"]);
        let case = |stdin: &&str| CaseClaims {
            name: (*stdin).to_owned(),
            stdin: Content::from(*stdin),
            ..CaseClaims::default()
        };
        job.draft.cases = inputs.iter().map(case).collect();
        job.run()
    };
    assert_eq!(came(&with(&["1", "2", "3"])), [("n", b"2".as_slice())]);
    assert_eq!(came(&with(&["1", "3"])), [("n", b"3".as_slice())]);
}

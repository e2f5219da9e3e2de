//! What a sandbox is ordered to run.

use tester_runner::message::Start;

use crate::harness::UID;

/// A tar as the worker makes it.
pub(crate) fn job(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(content.len()).unwrap());
        header.set_mode(if path.as_bytes().ends_with(b".sh") { 0o755 } else { 0o644 });
        archive.append_data(&mut header, path, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

/// A run with generous limits.
pub(crate) fn start(argv: &[&str]) -> Start {
    Start {
        uid: UID,
        argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
        path: "/usr/local/bin:/usr/bin:/bin".to_owned(),
        env: vec![
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("HOME".to_owned(), "/box".to_owned()),
            ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
        ],
        wall_milliseconds: 20_000,
        cpu_milliseconds: 20_000,
        stdout_bytes: 1_048_576,
        stderr_bytes: 1_048_576,
        file_bytes: 16_777_216,
        open_files: 256,
        report: false,
        report_bytes_max: 1_048_576,
        cpus_milli: 2000,
        warm: false,
        last: false,
        probe: None,
    }
}

/// Python, running `main.py`.
pub(crate) fn python() -> Start {
    start(&["python3", "main.py"])
}

//! Any image is a sandbox, and none has a say in what runs, as whom, where, or with what powers.

use std::thread;

use serde_json::json;
use tester_worker::domain::verdict::Status;

use crate::docker::{Image, docker, host_processes};
use crate::job::Job;

/// Everything by which an image could have a say.
const STUBBORN: [&str; 6] = [
    "ENV FROM_IMAGE=yes",
    "USER 1234:1234",
    "WORKDIR /nowhere",
    r#"VOLUME ["/data", "/var/lib/more"]"#,
    r#"ENTRYPOINT ["/bin/false"]"#,
    "HEALTHCHECK --interval=1s CMD touch /tmp/healthcheck-ran",
];

#[test]
fn an_images_user_entrypoint_workdir_volumes_and_healthcheck_are_overridden() {
    let image = Image::changed(&STUBBORN);
    let code = "import json, os, time
found = {'cwd': os.getcwd(), 'env': os.environ.get('FROM_IMAGE'), 'job uid': 20000 <= os.getuid() < 60000}
for folder in ('/data', '/var/lib/more'):
    try: open(folder + '/x', 'w')
    except OSError as e: found[folder] = e.errno
time.sleep(2.5)
found['tmp'] = os.listdir('/tmp')
print(json.dumps(found))";
    let job = Job::python(code).in_image(&image.name);
    let id = job.config.worker.id.clone();
    let watched = thread::spawn(move || mounts_of(&id));
    let found = job.run().json();
    let expected = json!({
        "cwd": "/box", "env": "yes", "job uid": true, "/data": 30, "/var/lib/more": 30, "tmp": []
    });
    assert_eq!(found, expected);
    let volumes = watched.join().unwrap();
    assert!(!volumes.is_empty());
    for volume in volumes {
        assert!(volume.starts_with("tester-runner-"), "the image got the volume {volume}");
    }
}

/// The volumes of a worker's sandboxes, seen while one of them runs.
fn mounts_of(worker_id: &str) -> Vec<String> {
    let filter = format!("label=tester-worker.id={worker_id}");
    let mut volumes = Vec::new();
    crate::docker::wait_until("a sandbox", || {
        let listed = docker(&["ps", "--filter", &filter, "--no-trunc", "--format", "{{.Mounts}}"]);
        volumes = listed.lines().flat_map(|line| line.split(',')).map(str::to_owned).collect();
        !volumes.is_empty()
    });
    volumes
}

#[test]
fn setuid_and_setgid_bits_of_an_image_do_nothing() {
    let image = Image::build(
        "RUN cd /usr/local/bin && cp /usr/bin/python3 rootpython && chmod 4755 rootpython \\\n \
         && cp /usr/bin/python3 grouppython && chmod 2755 grouppython",
    );
    let code = "import json, os, shutil, subprocess
ids = 'import os; print(*os.getresuid(), *os.getresgid())'
mine = [os.getuid()] * 3 + [os.getgid()] * 3
found = {}
def same(program): return [int(word) for word in subprocess.check_output([program, '-c', ids]).split()] == mine
for program in ('rootpython', 'grouppython'): found[program] = [os.stat('/usr/local/bin/' + program).st_mode & 0o6000 != 0, same(program)]
shutil.copy('/usr/bin/python3', '/box/own')
os.chmod('/box/own', 0o6755)
found['own'] = [True, same('/box/own')]
print(json.dumps(found))";
    let found = Job::python(code).in_image(&image.name).run().json();
    assert_eq!(found, json!({ "rootpython": [true, true], "grouppython": [true, true], "own": [true, true] }));
}

#[test]
fn a_plain_image_without_python_is_a_sandbox() {
    let mut job = Job::of("python").in_image("debian:trixie-slim").argv(&["sh", "{entry}", "given"]);
    "run.sh".clone_into(&mut job.profile().entry);
    let ran = job
        .file("run.sh", "printf '%s|' \"$0\" \"$@\"; getent passwd $(id -u) || echo nobody known")
        .args(&["two"])
        .run();
    assert_eq!((ran.status(), ran.stdout().as_str()), (Status::Ok, "run.sh|given|two|nobody known\n"));
}

#[test]
fn descendants_are_dead_before_there_is_a_result() {
    let marker = format!("9{:08}", std::process::id());
    let code = format!(
        "import os, time
for detached in (False, True):
    if os.fork() == 0:
        if detached: os.setsid()
        if detached and os.fork(): os._exit(0)
        if os.fork() == 0: os.execvp('sleep', ['sleep', '{marker}'])
        while True:
            os.write(1, b'g')
            time.sleep(0.01)
while len([p for p in os.listdir('/proc') if p.isdigit() and b'{marker}' in open(f'/proc/{{p}}/cmdline', 'rb').read().split(bytes(1))]) < 2: time.sleep(0.01)
os.write(1, b'end')"
    );
    let job = Job::python(&code).limit("wall_seconds", 30);
    // Looked at when the sandbox has answered, and still exists: what is gone then was not ended by its removal.
    let seen = job.run_and_look(|| host_processes(&format!("sleep {marker}")));
    let (run, ghosts) = (seen.0, seen.1);
    assert_eq!(ghosts, Vec::<String>::new());
    assert_eq!(run.status, Status::Ok, "{run:#?}");
    let evidence = run.evidence.unwrap();
    assert!(evidence.processes_killed >= 4, "{evidence:?}");
    assert!(
        run.usage.unwrap().wall_seconds < 25.0,
        "it ends with the main process, not with the last: {:?}",
        run.usage
    );
    let stdout = run.stdout.content.as_bytes();
    assert!(String::from_utf8_lossy(stdout).contains("end"));
    assert_eq!(run.stdout.bytes_total, stdout.len() as u64);
}

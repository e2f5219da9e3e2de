#: about = "Reads whatever PID 1 shows of itself, its files, its mounts and its past."
#: walls = ["job_uid", "runner_hidden"]
#: [expect]
#: status = "ok"
#: stdout = ["links EACCES EACCES EACCES", "folders EACCES EACCES EACCES EACCES", "runner's folder EACCES", "secrets False", "execute EACCES"]

import errno
import os
import subprocess


def tried(attempt):
    try:
        return attempt()
    except OSError as error:
        return errno.errorcode[error.errno]


print("links", *(tried(lambda: os.readlink(f"/proc/1/{name}")) for name in ("root", "cwd", "exe")))
print("folders", *(tried(lambda: os.listdir(f"/proc/1/{name}")) for name in ("fd", "fdinfo", "map_files", "task/1/fd")))
print("runner's folder", tried(lambda: os.listdir("/.tester-runner/bin")))
shown = b""
for name in ("cmdline", "status", "stat", "mountinfo", "cgroup", "comm", "sched"):
    try:
        shown += open(f"/proc/1/{name}", "rb").read()
    except OSError:
        pass
print("secrets", any(word in shown.lower() for word in (b"amqp", b"token", b"secret", b"password")))
print("execute", tried(lambda: subprocess.run(["/.tester-runner/bin/tester-runner", "launch"])))

#: about = "Writes through symbolic links that lead out of its folder."
#: walls = ["read_only_root", "job_uid"]
#: [expect]
#: status = "ok"
#: stdout = ["/etc/passwd EROFS", "/usr/lib/new EROFS", "/proc/1/oom_score_adj EACCES", "/proc/1/root/etc/passwd EACCES", "/tester/new EACCES", "/.tester-runner/bin/tester-runner EACCES"]

import errno
import os

for target in (
    "/etc/passwd",
    "/usr/lib/new",
    "/proc/1/oom_score_adj",
    "/proc/1/root/etc/passwd",
    "/tester/new",
    "/.tester-runner/bin/tester-runner",
):
    os.symlink(target, "/box/link")
    try:
        open("/box/link", "w").close()
        print(target, "opened")
    except OSError as error:
        print(target, errno.errorcode[error.errno])
    os.remove("/box/link")

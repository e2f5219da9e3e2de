#: about = "Makes hard links to files of the image, of another folder, and of PID 1."
#: walls = ["read_only_root", "job_uid"]
#: [expect]
#: status = "ok"
#: stdout = ["/etc/passwd EXDEV", "/usr/bin/python3 EXDEV", "/tmp/file EXDEV", "/proc/self/status EXDEV", "/dev/null EXDEV"]

import errno
import os

open("/tmp/file", "w").close()
for target in ("/etc/passwd", "/usr/bin/python3", "/tmp/file", "/proc/self/status", "/dev/null"):
    try:
        os.link(target, "/box/link")
        print(target, "linked")
    except OSError as error:
        print(target, errno.errorcode[error.errno])

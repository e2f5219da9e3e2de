#: about = "Looks at what it was given: descriptors, environment, ids, neighbours and the host's name."
#: walls = ["descriptors", "runner_hidden", "job_uid"]
#: [expect]
#: status = "ok"
#: stdout = ["descriptors [0, 1, 2]", "environment ['HOME', 'LANG', 'PATH', 'PYTHONDONTWRITEBYTECODE']", "processes []", "NoNewPrivs 1", "Seccomp 2", "Groups ", "one id True", "host sandbox", "folder /box", "signals ignored or blocked none"]

import fcntl
import os
import socket


def opened(file):
    try:
        fcntl.fcntl(file, fcntl.F_GETFD)
        return True
    except OSError:
        return False


print("descriptors", [file for file in range(65536) if opened(file)])
print("environment", sorted(os.environ))
# The parent is PID 1, or a warm interpreter.
known = {1, os.getpid(), os.getppid()}
print("processes", [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in known])
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
for name in ("NoNewPrivs", "Seccomp", "Groups"):
    print(name, status[name].strip())
print("one id", len(set(os.getresuid() + os.getresgid())) == 1 and 20000 <= os.getuid() < 60000)
print("host", socket.gethostname())
print("folder", os.getcwd())
# Python itself ignores two: SIGPIPE and SIGXFSZ.
own = 1 << 12 | 1 << 24
left = int(status["SigIgn"], 16) & ~own | int(status["SigBlk"], 16)
print("signals ignored or blocked", hex(left) if left else "none")

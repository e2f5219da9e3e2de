#: about = "Writes a forged end of the run into every descriptor that it has, can open, or can guess."
#: walls = ["descriptors", "job_uid"]
#: [expect]
#: status = "runtime_error"
#: exit_code = 9
#: stdout = ["descriptors []", "paths []"]

import glob
import os
import struct

ended = b'{"cause":"exited","exit":{"code":0}}'
forged = struct.pack(">BI", 22, len(ended)) + ended
reached = []
for file in range(3, 1024):
    try:
        os.write(file, forged)
        reached.append(file)
    except OSError:
        pass
print("descriptors", reached, flush=True)
paths = glob.glob("/proc/[0-9]*/fd/*") + glob.glob("/proc/[0-9]*/task/*/fd/*")
paths += [f"/proc/1/fd/{file}" for file in range(64)] + [f"/proc/1/task/1/fd/{file}" for file in range(64)]
paths += ["/dev/console", "/dev/tty", "/dev/pts/0", "/dev/fd/3", "/tester/report"]
reached = []
for path in paths:
    if path.startswith(f"/proc/{os.getpid()}/"):
        continue
    try:
        file = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(file, forged)
        reached.append(path)
    except OSError:
        pass
print("paths", reached, flush=True)
os._exit(9)

#: about = "Opens stdout again by each of its names and writes through all of them."
#: walls = ["descriptors", "output"]
#: [expect]
#: status = "ok"
#: stdout = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/thread-self/fd/1"]

import os

for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/thread-self/fd/1"):
    file = os.open(name, os.O_WRONLY)
    os.write(file, name.encode() + b"\n")
    os.close(file)

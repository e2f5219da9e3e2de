#: about = "Opens pseudo-terminals, which are counted for the whole host."
#: walls = ["pseudo_terminals"]
#: [expect]
#: status = "ok"
#: stdout = ["0 terminals", "/dev/tty ENXIO"]

import errno
import os

terminals = []
for name in ("/dev/ptmx", "/dev/pts/ptmx"):
    for _ in range(100):
        try:
            terminals.append(os.open(name, os.O_RDWR | os.O_NOCTTY))
        except OSError:
            break
print(len(terminals), "terminals")
try:
    os.open("/dev/tty", os.O_RDWR)
except OSError as error:
    print("/dev/tty", errno.errorcode[error.errno])

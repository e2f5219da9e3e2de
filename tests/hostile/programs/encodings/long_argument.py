#: about = "Is given an argument just below the longest that the kernel takes, and variables besides it."
#: walls = []
#: args = ["short"]
#: env = { PADDING = "0123456789" }
#: stdin = { fill = "x", bytes = 100000 }
#: [expect]
#: status = "ok"
#: stdout = ["131071 bytes passed", "131072 bytes E2BIG"]

import errno
import subprocess
import sys

# What the worker would refuse, the kernel refuses too: the bound that the protocol has is the kernel's own.
for length in (131071, 131072):
    try:
        subprocess.run(["/bin/true", "x" * length], check=True)
        print(length, "bytes passed")
    except OSError as error:
        print(length, "bytes", errno.errorcode[error.errno])

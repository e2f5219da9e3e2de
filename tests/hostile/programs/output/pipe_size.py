#: about = "Makes its pipe as small and as large as a pipe can be, and fills it in one go."
#: walls = ["output"]
#: limits = { stdout_bytes = 200000 }
#: [expect]
#: status = "ok"
#: stdout = { fill = "p", bytes = 200000 }

import fcntl
import os

fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 4096)
os.write(1, b"p" * 100000)
fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, int(open("/proc/sys/fs/pipe-max-size").read()))
os.write(1, b"p" * 100000)

#: about = "Sets its stdout to non-blocking, asynchronous, and owned by PID 1, and takes leases and locks on it."
#: walls = ["job_uid"]
#: [expect]
#: status = "ok"
#: stdout = "still here\n"

import fcntl
import os

fcntl.fcntl(1, fcntl.F_SETOWN, 1)
fcntl.fcntl(1, fcntl.F_SETSIG, 9)
fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_NONBLOCK | os.O_ASYNC)
fcntl.flock(1, fcntl.LOCK_EX)
os.write(1, b"still here\n")

#: about = "Makes itself the reaper of its descendants, so that PID 1 never hears of them."
#: walls = ["kill"]
#: [expect]
#: status = "ok"
#: stdout = "mine\n"
#: processes_killed = 1

import ctypes
import os
import signal

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
up, tell = os.pipe()
me = os.getpid()
if os.fork() == 0:
    if os.fork() > 0:
        os._exit(0)
    while os.getppid() != me:
        os.sched_yield()
    os.write(tell, b"x")
    while True:
        signal.pause()
os.read(up, 1)
print("mine")

#: about = "Takes back the wish to die with PID 1 and outlives its parent, stopped."
#: walls = ["kill"]
#: [expect]
#: status = "ok"
#: stdout = "stopped\n"
#: processes_killed = 1

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)
child = os.fork()
if child == 0:
    os.setsid()
    os.kill(os.getpid(), signal.SIGSTOP)
os.waitid(os.P_PID, child, os.WSTOPPED)
print("stopped")

#: about = "Ends its first thread alone, so that the process looks ended and is not."
#: walls = ["wall_time", "kill"]
#: limits = { wall_seconds = 1 }
#: [expect]
#: status = "time_limit"
#: limit = "wall"
#: stdout = "the leader has left\n"

import ctypes
import os
import threading
import time


def stay():
    status = f"/proc/self/task/{os.getpid()}/stat"
    while open(status).read().split(") ")[1][0] != "Z":
        time.sleep(0.01)
    os.write(1, b"the leader has left\n")
    time.sleep(3600)


threading.Thread(target=stay).start()
SYS_exit = 60
ctypes.PyDLL(None).syscall.restype = ctypes.c_long
ctypes.CDLL(None).syscall(SYS_exit, 0)

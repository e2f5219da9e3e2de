#: about = "Asks for a higher priority, real-time scheduling, real-time disk access and a share of PID 1's processor."
#: walls = ["capabilities", "job_uid"]
#: [expect]
#: status = "ok"
#: stdout = ["nice EACCES", "fifo EPERM", "round robin EPERM", "deadline EPERM", "ioprio EPERM", "affinity of PID 1 EPERM", "nice of PID 1 EPERM"]

import ctypes
import errno
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    ctypes.set_errno(0)
    return "done" if libc.syscall(number, *arguments) != -1 else errno.errorcode[ctypes.get_errno()]


def tried(attempt):
    try:
        attempt()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]


print("nice", tried(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5)))
print("fifo", tried(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))))
print("round robin", tried(lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))))
# struct sched_attr: SCHED_DEADLINE, 10 ms of every 20 ms.
deadline = struct.pack("=IIQiIQQQ", 48, 6, 0, 0, 0, 10_000_000, 20_000_000, 20_000_000)
print("deadline", call(314, 0, deadline, 0))
print("ioprio", call(251, 1, 0, 1 << 13))
print("affinity of PID 1", tried(lambda: os.sched_setaffinity(1, {0})))
print("nice of PID 1", tried(lambda: os.setpriority(os.PRIO_PROCESS, 1, 19)))

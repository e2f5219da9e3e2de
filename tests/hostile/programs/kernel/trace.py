#: about = "Traces PID 1, its parent's other children and itself, and reads and writes their memory."
#: walls = ["deny_list"]
#: [expect]
#: status = "ok"
#: stdout = ["attach to PID 1 EPERM", "attach to a child EPERM", "seize a child EPERM", "be traced EPERM", "read PID 1 EPERM", "write PID 1 EPERM", "read a child EPERM", "take a descriptor EPERM", "compare EPERM", "advise EPERM"]
#: processes_killed = 1

import ctypes
import errno
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
child = os.fork()
if child == 0:
    while True:
        signal.pause()
pidfd = os.pidfd_open(child)
room = ctypes.create_string_buffer(64)
PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_SEIZE = 0, 16, 0x4206
for name, call in {
    "attach to PID 1": (101, PTRACE_ATTACH, 1, None, None),
    "attach to a child": (101, PTRACE_ATTACH, child, None, None),
    "seize a child": (101, PTRACE_SEIZE, child, None, None),
    "be traced": (101, PTRACE_TRACEME, 0, None, None),
    "read PID 1": (310, 1, room, 1, room, 1, 0),
    "write PID 1": (311, 1, room, 1, room, 1, 0),
    "read a child": (310, child, room, 1, room, 1, 0),
    "take a descriptor": (438, pidfd, 0, 0),
    "compare": (312, os.getpid(), 1, 0, 0, 0),
    "advise": (440, pidfd, room, 1, 4, 0),
}.items():
    libc.syscall(*call)
    print(name, errno.errorcode[ctypes.get_errno()])

#: about = "Makes namespaces of its own, one by one, to be root in one of them."
#: walls = ["deny_list"]
#: [expect]
#: status = "ok"
#: stdout = ["mount EPERM EPERM", "cgroup EPERM EPERM", "uts EPERM EPERM", "ipc EPERM EPERM", "user EPERM EPERM", "pid EPERM EPERM", "net EPERM EPERM", "time EPERM", "clone3 ENOSYS"]

import ctypes
import errno
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
SYS_clone, SYS_unshare, SYS_clone3 = 56, 272, 435


def outcome(result):
    if result == 0:
        os._exit(0)
    return errno.errorcode[ctypes.get_errno()] if result < 0 else "made"


kinds = {"mount": 17, "cgroup": 25, "uts": 26, "ipc": 27, "user": 28, "pid": 29, "net": 30}
for name, bit in kinds.items():
    unshared = libc.syscall(SYS_unshare, ctypes.c_ulong(1 << bit))
    unshared = errno.errorcode[ctypes.get_errno()] if unshared < 0 else "made"
    cloned = libc.syscall(SYS_clone, ctypes.c_ulong(1 << bit | signal.SIGCHLD), None, None, None, None)
    print(name, unshared, outcome(cloned), flush=True)
# CLONE_NEWTIME is one of the bits that clone takes for the signal.
print("time", errno.errorcode[ctypes.get_errno()] if libc.syscall(SYS_unshare, 0x80) < 0 else "made", flush=True)
arguments = (ctypes.c_uint64 * 11)(1 << 28, 0, 0, 0, signal.SIGCHLD)
print("clone3", outcome(libc.syscall(SYS_clone3, arguments, ctypes.sizeof(arguments))))

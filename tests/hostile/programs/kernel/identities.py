#: about = "Becomes somebody else: root, another job, a member of other groups, a holder of capabilities."
#: walls = ["capabilities", "job_uid", "no_new_privileges"]
#: [expect]
#: status = "ok"
#: stdout = ["root EPERM", "another job EPERM", "root's group EPERM", "groups EPERM", "capabilities EPERM", "ambient EPERM", "secure bits EPERM", "privileges again EINVAL", "still nobody True"]

import ctypes
import errno
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)


def tried(name, attempt):
    try:
        attempt()
        print(name, "done")
    except OSError as error:
        print(name, errno.errorcode[error.errno])


def called(name, result):
    print(name, errno.errorcode[ctypes.get_errno()] if result < 0 else "done")


tried("root", lambda: os.setresuid(0, 0, 0))
tried("another job", lambda: os.setuid(20000 if os.getuid() != 20000 else 20001))
tried("root's group", lambda: os.setresgid(0, 0, 0))
tried("groups", lambda: os.setgroups([0]))
# capset, version 3, every bit.
called("capabilities", libc.syscall(126, struct.pack("=II", 0x20080522, 0), struct.pack("=6I", *[0xFFFFFFFF] * 6)))
called("ambient", libc.prctl(47, 2, 21, 0, 0))
called("secure bits", libc.prctl(28, 1, 0, 0, 0))
called("privileges again", libc.prctl(38, 0, 0, 0, 0))
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
none = all(int(status[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
print("still nobody", none and status["NoNewPrivs"].strip() == "1" and status["Groups"].strip() == "")

#: about = "Changes the limits, the pages and the memory policy of PID 1 by calls that take a process id."
#: walls = ["job_uid"]
#: [expect]
#: status = "ok"
#: stdout = ["prlimit EPERM", "move_pages EPERM", "migrate_pages EPERM", "sched_setattr EPERM", "get_robust_list EPERM", "setpgid ESRCH"]

import ctypes
import errno
import struct

libc = ctypes.CDLL(None, use_errno=True)
room = ctypes.create_string_buffer(256)
ctypes.c_ulong.from_buffer(room, 0).value = 1
for name, call in {
    "prlimit": (302, 1, 7, struct.pack("=QQ", 0, 0), None),
    "move_pages": (279, 1, 0, None, None, None, 0),
    "migrate_pages": (256, 1, 8, room, room),
    "sched_setattr": (314, 1, struct.pack("=IIQiIQQQ", 48, 3, 0, 19, 0, 0, 0, 0), 0),
    "get_robust_list": (274, 1, room, room),
    "setpgid": (109, 1, 1),
}.items():
    ctypes.set_errno(0)
    result = libc.syscall(*call)
    print(name, errno.errorcode[ctypes.get_errno()] if result < 0 else result)

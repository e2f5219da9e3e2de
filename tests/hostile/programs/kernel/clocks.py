#: about = "Sets the clock of the host, so that every deadline on it would move."
#: walls = ["deny_list", "capabilities"]
#: [expect]
#: status = "ok"
#: stdout = ["clock_settime EPERM", "settimeofday EPERM", "adjtimex EPERM", "clock_adjtime EPERM"]

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
room = ctypes.create_string_buffer(256)
calls = {"clock_settime": (227, 0, room), "settimeofday": (164, room, None), "adjtimex": (159, room), "clock_adjtime": (305, 0, room)}
for name, call in calls.items():
    libc.syscall(*call)
    print(name, errno.errorcode[ctypes.get_errno()])

#: about = "Sends PID 1 every signal there is, by every call that sends one."
#: walls = ["job_uid"]
#: [expect]
#: status = "ok"
#: stdout = ["kill EPERM", "tgkill EPERM", "rt_sigqueueinfo EPERM", "rt_tgsigqueueinfo EPERM", "pidfd_send_signal EPERM"]

import ctypes
import errno
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
info = ctypes.create_string_buffer(128)
# si_code SI_QUEUE: what a process may claim of itself.
ctypes.c_int.from_buffer(info, 8).value = -1
pidfd = os.pidfd_open(1)
senders = {
    "kill": lambda number: libc.kill(1, number),
    "tgkill": lambda number: libc.syscall(234, 1, 1, number),
    "rt_sigqueueinfo": lambda number: libc.syscall(129, 1, number, info),
    "rt_tgsigqueueinfo": lambda number: libc.syscall(297, 1, 1, number, info),
    "pidfd_send_signal": lambda number: libc.syscall(424, pidfd, number, None, 0),
}
for name, send in senders.items():
    outcomes = set()
    for number in range(1, 65):
        ctypes.c_int.from_buffer(info, 0).value = number
        outcomes.add("sent" if send(number) == 0 else errno.errorcode[ctypes.get_errno()])
    print(name, *sorted(outcomes))

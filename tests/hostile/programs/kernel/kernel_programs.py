#: about = "Loads programs into the kernel and watches it: BPF, performance counters, page faults, file events."
#: walls = ["deny_list"]
#: [expect]
#: status = "ok"
#: stdout = ["bpf EPERM", "perf_event_open EPERM", "userfaultfd EPERM", "fanotify_init EPERM", "lookup_dcookie EPERM", "syslog EPERM", "memfd_secret ENOSYS"]

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
room = ctypes.create_string_buffer(256)
for name, call in {
    "bpf": (321, 0, room, 72),
    "perf_event_open": (298, room, 0, -1, -1, 0),
    "userfaultfd": (323, 1),
    "fanotify_init": (300, 0, 0),
    "lookup_dcookie": (212, 0, room, 64),
    "syslog": (103, 3, room, 64),
    "memfd_secret": (447, 0),
}.items():
    libc.syscall(*call)
    print(name, errno.errorcode[ctypes.get_errno()])

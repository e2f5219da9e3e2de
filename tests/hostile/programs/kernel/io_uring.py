#: about = "Sets up a ring by which the kernel would do things that no filter sees."
#: walls = ["deny_list"]
#: [expect]
#: status = "ok"
#: stdout = ["io_uring_setup ENOSYS", "io_uring_enter ENOSYS", "io_uring_register ENOSYS", "io_setup ENOSYS", "io_submit ENOSYS"]

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
room = ctypes.create_string_buffer(256)
for name, call in {
    "io_uring_setup": (425, 8, room),
    "io_uring_enter": (426, 3, 1, 0, 0, None, 0),
    "io_uring_register": (427, 3, 0, None, 0),
    "io_setup": (206, 128, room),
    "io_submit": (209, 0, 1, room),
}.items():
    libc.syscall(*call)
    print(name, errno.errorcode[ctypes.get_errno()])

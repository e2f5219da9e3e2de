#: about = "Installs a filter of its own that allows everything, and then calls what ours denies."
#: walls = ["deny_list", "no_new_privileges"]
#: [expect]
#: status = "ok"
#: stdout = ["installed 0", "keyctl EPERM", "io_uring_setup ENOSYS", "vsock EAFNOSUPPORT", "mode 0 EINVAL"]

import ctypes
import errno
import struct

libc = ctypes.CDLL(None, use_errno=True)
SYS_seccomp, SECCOMP_SET_MODE_FILTER = 317, 1
# One instruction: return SECCOMP_RET_ALLOW.
code = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000), 8)
program = struct.pack("=HxxxxxxQ", 1, ctypes.addressof(code))
print("installed", libc.syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program))
for name, call in {"keyctl": (250, 0, -4, 1), "io_uring_setup": (425, 8, code), "vsock": (41, 40, 1, 0)}.items():
    libc.syscall(*call)
    print(name, errno.errorcode[ctypes.get_errno()])
PR_SET_SECCOMP = 22
libc.prctl(PR_SET_SECCOMP, 0, 0, 0, 0)
print("mode 0", errno.errorcode[ctypes.get_errno()])

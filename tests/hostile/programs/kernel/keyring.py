#: about = "Puts a secret into the kernel's keyring, which is one for the whole host."
#: walls = ["deny_list"]
#: [expect]
#: status = "ok"
#: stdout = ["add_key EPERM", "request_key EPERM", "keyctl EPERM"]

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
for name, call in {
    "add_key": (248, b"user", b"meet", b"secret", 6, -4),
    "request_key": (249, b"user", b"meet", None, -4),
    "keyctl": (250, 0, -4, 1),
}.items():
    libc.syscall(*call)
    print(name, errno.errorcode[ctypes.get_errno()])

#: about = "Locks memory so that it cannot be taken away."
#: walls = ["memory"]
#: [expect]
#: status = "ok"
#: stdout = ["mlock ENOMEM", "mlockall ENOMEM", "raise EPERM"]

import ctypes
import errno
import mmap
import resource

libc = ctypes.CDLL(None, use_errno=True)
block = mmap.mmap(-1, 1 << 20)
address = ctypes.addressof(ctypes.c_char.from_buffer(block))
libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(1 << 20))
print("mlock", errno.errorcode[ctypes.get_errno()])
ctypes.set_errno(0)
libc.mlockall(1)
print("mlockall", errno.errorcode[ctypes.get_errno()])
try:
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 30, 1 << 30))
except ValueError:
    print("raise EPERM")

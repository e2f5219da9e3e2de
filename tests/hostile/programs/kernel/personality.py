#: about = "Switches off address randomisation and claims to be another system."
#: walls = ["deny_list"]
#: [expect]
#: status = "ok"
#: stdout = ["asked 0", "no randomisation EPERM", "execution of data EPERM", "older kernel EPERM", "32 bits EPERM"]

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
SYS_personality = 135
print("asked", libc.syscall(SYS_personality, ctypes.c_ulong(0xFFFFFFFF)))
kinds = {"no randomisation": 0x0040000, "execution of data": 0x0400000, "older kernel": 0x0020000, "32 bits": 8}
for name, value in kinds.items():
    done = libc.syscall(SYS_personality, ctypes.c_ulong(value))
    print(name, errno.errorcode[ctypes.get_errno()] if done < 0 else "done")

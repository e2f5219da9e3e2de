#: about = "Opens the memory of PID 1 and overwrites its own code, where no page can be written."
#: walls = ["job_uid", "runner_hidden"]
#: [expect]
#: status = "ok"
#: stdout = ["mem EACCES", "maps EACCES", "pagemap EACCES", "syscall EACCES", "stack EACCES", "environ EACCES", "auxv EACCES", "clear_refs EACCES", "own code changed"]

import ctypes
import errno
import os

for name in ("mem", "maps", "pagemap", "syscall", "stack", "environ", "auxv", "clear_refs"):
    try:
        flags = os.O_WRONLY if name == "clear_refs" else os.O_RDONLY
        file = os.open(f"/proc/1/{name}", flags)
        os.read(file, 1)
        print(name, "read")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
# In itself it may do what it likes: that is the same as having been written so.
function = ctypes.CDLL(None).getpid
address = ctypes.cast(function, ctypes.c_void_p).value
memory = os.open("/proc/self/mem", os.O_RDWR)
os.pwrite(memory, bytes.fromhex("b82a000000c3"), address)
print("own code changed" if function() == 42 else "own code as it was")

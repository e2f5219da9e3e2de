#: about = "Fills shared memory and posts message queues and semaphores for a neighbour to find."
#: walls = ["shared_memory"]
#: [expect]
#: status = "ok"
#: stdout = ["ENOSPC after 16 MiB", "shmget ENOSYS", "msgget ENOSYS", "semget ENOSYS", "mq_open ENOSYS"]

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
written = 0
with open("/dev/shm/fill", "wb", buffering=0) as file:
    try:
        while True:
            written += file.write(b"x" * 65536)
    except OSError as error:
        print(errno.errorcode[error.errno], "after", written >> 20, "MiB")
# IPC_CREAT | 0666, and O_CREAT | O_RDWR.
for name, call in {
    "shmget": (29, 1234, 4096, 0o1666),
    "msgget": (68, 1234, 0o1666),
    "semget": (64, 1234, 1, 0o1666),
    "mq_open": (240, b"queue", 0o102, 0o666, None),
}.items():
    libc.syscall(*call)
    print(name, errno.errorcode[ctypes.get_errno()])

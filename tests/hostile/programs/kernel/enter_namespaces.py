#: about = "Enters the namespaces of PID 1, by their files and by a descriptor of the process."
#: walls = ["deny_list", "job_uid"]
#: [expect]
#: status = "ok"
#: stdout = ["mnt EACCES", "net EACCES", "pid EACCES", "user EACCES", "own EPERM", "by pidfd EPERM"]

import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
for name in ("mnt", "net", "pid", "user"):
    try:
        os.open(f"/proc/1/ns/{name}", os.O_RDONLY)
        print(name, "opened")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
for name, file in (("own", os.open("/proc/self/ns/mnt", os.O_RDONLY)), ("by pidfd", os.pidfd_open(1))):
    libc.setns(file, 1 << 17)
    print(name, errno.errorcode[ctypes.get_errno()])

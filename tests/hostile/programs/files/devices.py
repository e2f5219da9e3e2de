#: about = "Makes device nodes, of disks, of memory and of terminals."
#: walls = ["capabilities"]
#: [expect]
#: status = "ok"
#: stdout = ["disk EPERM", "memory EPERM", "console EPERM", "null EPERM", "fifo made", "socket made"]

import errno
import os
import stat

nodes = {
    "disk": (stat.S_IFBLK, 254, 0),
    "memory": (stat.S_IFCHR, 1, 1),
    "console": (stat.S_IFCHR, 5, 1),
    "null": (stat.S_IFCHR, 1, 3),
    "fifo": (stat.S_IFIFO, 0, 0),
    "socket": (stat.S_IFSOCK, 0, 0),
}
for name, (kind, major, minor) in nodes.items():
    try:
        os.mknod("/box/" + name, kind | 0o666, os.makedev(major, minor))
        print(name, "made")
    except OSError as error:
        print(name, errno.errorcode[error.errno])

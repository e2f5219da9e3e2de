#: about = "Makes files that have no name, gives one a name in another file system, and opens them all over again."
#: walls = ["read_only_root"]
#: [expect]
#: status = "ok"
#: stdout = ["/ EROFS", "/usr EROFS", "/box made", "linked in /tmp EXDEV", "linked in /box done"]

import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_FOLLOW = -100, 0x400


def tried(attempt):
    try:
        attempt()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]


for folder in ("/", "/usr"):
    print(folder, tried(lambda: os.open(folder, os.O_TMPFILE | os.O_RDWR)))
file = os.open("/box", os.O_TMPFILE | os.O_RDWR)
print("/box made")
own = f"/proc/self/fd/{file}".encode()
for folder in ("/tmp", "/box"):
    linked = libc.linkat(AT_FDCWD, own, AT_FDCWD, f"{folder}/named".encode(), AT_SYMLINK_FOLLOW)
    print("linked in", folder, "done" if linked == 0 else errno.errorcode[ctypes.get_errno()])

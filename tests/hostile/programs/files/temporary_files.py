#: about = "Makes files that have no name, gives one a name in another file system, and opens them all over again."
#: walls = ["read_only_root"]
#: [expect]
#: status = "ok"
#: stdout = ["/ EROFS", "/usr EROFS", "/box made", "linked in /tmp EXDEV", "linked in /box done"]

import errno
import os


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
own = f"/proc/self/fd/{file}"
print("linked in /tmp", tried(lambda: os.link(own, "/tmp/named", follow_symlinks=True)))
print("linked in /box", tried(lambda: os.link(own, "/box/named", follow_symlinks=True)))

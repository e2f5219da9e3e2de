#: about = "Reads its own stdout back and reads its stdin through stdout, to confuse who owns which end."
#: walls = ["descriptors"]
#: stdin = "the only line\n"
#: [expect]
#: status = "ok"
#: stdout = ["read of stdout EBADF", "write to stdin EBADF", "stdin 'the only line\\n'"]

import errno
import os


def tried(attempt):
    try:
        return attempt()
    except OSError as error:
        return errno.errorcode[error.errno]


read = tried(lambda: os.read(1, 10))
print("read of stdout", read)
print("write to stdin", tried(lambda: os.write(0, b"x")))
print("stdin", repr(os.read(0, 100).decode()))

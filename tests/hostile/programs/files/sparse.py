#: about = "Makes a file that claims to be a terabyte, and maps and writes beyond its limit."
#: walls = ["file_size"]
#: limits = { file_bytes = 1048576 }
#: [expect]
#: status = "ok"
#: stdout = ["truncate EFBIG", "fallocate EFBIG", "pwrite EFBIG", "up to the limit 1048576"]

import errno
import os


def tried(name, attempt):
    try:
        print(name, attempt())
    except OSError as error:
        print(name, errno.errorcode[error.errno])


file = os.open("/box/sparse", os.O_RDWR | os.O_CREAT)
tried("truncate", lambda: os.ftruncate(file, 1 << 40))
tried("fallocate", lambda: os.posix_fallocate(file, 0, 1 << 40))
tried("pwrite", lambda: os.pwrite(file, b"x", 1 << 20))
os.pwrite(file, b"x" * 4096, (1 << 20) - 4096)
tried("up to the limit", lambda: os.fstat(file).st_size)

#: about = "Makes files without content in shared memory, which has no limit of its own for them unless we set one."
#: walls = ["shared_memory", "scratch_files"]
#: limits = { scratch_files = 500 }
#: [expect]
#: status = "ok"
#: stdout = "ENOSPC\n"

import errno

try:
    for number in range(100_000):
        open(f"/dev/shm/{number}", "x").close()
    print("100000 files")
except OSError as error:
    print(errno.errorcode[error.errno])

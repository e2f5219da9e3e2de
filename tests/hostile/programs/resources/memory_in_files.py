#: about = "Fills every scratch folder and shared memory, and then needs memory of its own."
#: walls = ["memory", "scratch_size", "shared_memory"]
#: limits = { memory_bytes = 67108864, scratch_bytes = 67108864 }
#: [expect]
#: status = "memory_limit"
#: limit = "memory"
#: oom_kills = 1
#: stdout = ["/box ENOSPC", "/tmp ENOSPC", "/dev/shm ENOSPC"]

import errno

for folder in ("/box", "/tmp", "/dev/shm"):
    with open(folder + "/fill", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError as error:
            print(folder, errno.errorcode[error.errno], flush=True)
block = b"x" * (1 << 30)

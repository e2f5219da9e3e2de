#: about = "Hides memory in memfds that no process has mapped."
#: walls = ["memory"]
#: limits = { memory_bytes = 67108864 }
#: [expect]
#: status = "memory_limit"
#: limit = "memory"
#: oom_kills = 1
#: stdout = "begun\n"

import os

print("begun", flush=True)
block = b"x" * (8 << 20)
while True:
    # Each stays below the limit of a file's size.
    file = os.memfd_create("hidden")
    for _ in range(4):
        os.write(file, block)

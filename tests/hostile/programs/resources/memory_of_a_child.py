#: about = "Lets a child be killed for memory, lives on, and ends with 0."
#: walls = ["memory"]
#: limits = { memory_bytes = 67108864 }
#: [expect]
#: status = "ok"
#: stdout = "the child ended by 9\n"
#: oom_kills = 1

import os

child = os.fork()
if child == 0:
    block = b"x" * (1 << 30)
    os._exit(0)
_, status = os.waitpid(child, 0)
print("the child ended by", os.WTERMSIG(status))

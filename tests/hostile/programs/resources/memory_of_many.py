#: about = "Shares a memory bomb among processes that each stay small."
#: walls = ["memory", "oom_preference"]
#: limits = { memory_bytes = 67108864 }
#: [expect]
#: status = "memory_limit"
#: limit = "memory"
#: exit_code = 1
#: ended_by = "program"
#: oom_kills_min = 1
#: processes_killed_min = 0
#: stdout = "one was killed\n"

import os
import signal

# A child is ended by the kernel as soon as all of them together are too large; then the main one ends, with 1.
for _ in range(8):
    if os.fork() == 0:
        block = b"x" * (16 << 20)
        signal.pause()
_, status = os.wait()
if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
    print("one was killed", flush=True)
os._exit(1)

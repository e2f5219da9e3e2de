#: about = "Crashes with a core dump, in the hope that the dump goes to a disk of the host."
#: walls = ["core_dumps"]
#: [expect]
#: status = "ok"
#: stdout = ["raise EPERM", "ended by 6, dumped False", "[]"]

import os
import resource

try:
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
except ValueError:
    print("raise EPERM", flush=True)
child = os.fork()
if child == 0:
    os.abort()
_, status = os.waitpid(child, 0)
print(f"ended by {os.WTERMSIG(status)}, dumped {os.WCOREDUMP(status)}")
print([name for name in os.listdir("/box") if "core" in name])

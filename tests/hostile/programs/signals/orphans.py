#: about = "Gives PID 1 hundreds of orphans to reap, one after another."
#: walls = ["kill"]
#: [expect]
#: status = "ok"
#: stdout = "300 orphans\n"

import os

# The pipe closes when the last one that holds its end is gone: only then the next begins.
for _ in range(300):
    up, tell = os.pipe()
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            while os.getppid() != 1:
                os.sched_yield()
        os._exit(0)
    os.close(tell)
    os.waitpid(child, 0)
    os.read(up, 1)
    os.close(up)
print("300 orphans")

#: about = "Hands its stdout to a descendant that keeps it open and never writes."
#: walls = ["kill"]
#: [expect]
#: status = "ok"
#: stdout = "done\n"
#: processes_killed = 1
#: wall_seconds_max = 8.0

import os
import signal

if os.fork() == 0:
    os.close(0)
    os.close(2)
    while True:
        signal.pause()
os.write(1, b"done\n")

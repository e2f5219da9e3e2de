#: about = "Stops its whole process group, so that nobody is left who could end."
#: walls = ["wall_time", "kill"]
#: limits = { wall_seconds = 1 }
#: [expect]
#: status = "time_limit"
#: limit = "wall"
#: stdout = "stopping\n"
#: processes_killed = 1

import os
import signal

if os.fork() == 0:
    signal.pause()
print("stopping", flush=True)
os.kill(0, signal.SIGSTOP)

#: about = "Makes children that end and never waits for one, so that each keeps its process id."
#: walls = ["processes", "kill"]
#: limits = { processes = 20 }
#: [expect]
#: status = "ok"
#: stdout = "19 zombies, then EAGAIN\n"
#: pids_limit_hits_min = 1

import errno
import os

zombies = 0
while True:
    try:
        child = os.fork()
    except OSError as error:
        print(f"{zombies} zombies, then {errno.errorcode[error.errno]}")
        break
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    zombies += 1

#: about = "Forks until it is refused and leaves every child asleep."
#: walls = ["processes", "kill"]
#: limits = { processes = 20 }
#: [expect]
#: status = "ok"
#: stdout = "19 children, then EAGAIN\n"
#: pids_limit_hits_min = 1
#: processes_killed = 19

import errno
import os
import signal

children = 0
while True:
    try:
        if os.fork() == 0:
            signal.pause()
    except OSError as error:
        print(f"{children} children, then {errno.errorcode[error.errno]}")
        break
    children += 1

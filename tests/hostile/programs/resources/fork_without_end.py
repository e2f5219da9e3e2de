#: about = "Forks from every process for ever, and every refusal only makes it try again."
#: walls = ["processes", "wall_time", "kill", "cpu_quota"]
#: limits = { processes = 20, wall_seconds = 2, cpu_seconds = 20 }
#: [expect]
#: status = "time_limit"
#: limit = "wall"
#: pids_limit_hits_min = 1
#: processes_killed = 19

import os

while True:
    try:
        os.fork()
    except OSError:
        pass

#: about = "Burns CPU time in children that nobody ever waits for, which the counters of the parent never show."
#: walls = ["cpu_time"]
#: limits = { cpu_seconds = 0.7, wall_seconds = 30, cpus = 2, processes = 200 }
#: [expect]
#: status = "time_limit"
#: limit = "cpu"
#: processes_killed_min = 0
#: cpu_seconds_min = 0.7

import os
import time

while True:
    if os.fork() == 0:
        while time.process_time() < 0.1:
            pass
        os._exit(0)
    time.sleep(0.05)

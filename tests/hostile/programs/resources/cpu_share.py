#: about = "Wants more of the machine's CPU than its quota."
#: walls = ["cpu_quota"]
#: limits = { cpus = 0.2, cpu_seconds = 20, wall_seconds = 20 }
#: [expect]
#: status = "ok"
#: stdout = "held back\n"
#: cpu_seconds_max = 3.0

import time

wall, cpu = time.monotonic(), time.process_time()
while time.process_time() - cpu < 0.5:
    pass
# 0.5 s of CPU time at a fifth of a CPU take 2.5 s.
print("held back" if time.monotonic() - wall > 1.9 else time.monotonic() - wall)

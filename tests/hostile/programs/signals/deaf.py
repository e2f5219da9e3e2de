#: about = "Ignores and blocks every signal that can be, in itself and in its children."
#: walls = ["wall_time", "kill"]
#: limits = { wall_seconds = 1 }
#: [expect]
#: status = "time_limit"
#: limit = "wall"
#: stdout = "deaf\n"
#: processes_killed = 3

import os
import signal
import time

for number in signal.valid_signals():
    try:
        signal.signal(number, signal.SIG_IGN)
    except OSError:
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
for _ in range(3):
    if os.fork() == 0:
        time.sleep(3600)
print("deaf", flush=True)
time.sleep(3600)

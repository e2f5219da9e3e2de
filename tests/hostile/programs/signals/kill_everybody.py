#: about = "Sends SIGKILL to every process that it may, which spares nobody but itself and PID 1."
#: walls = ["job_uid", "kill"]
#: [expect]
#: status = "signaled"
#: signal = 9
#: stdout = "alive\n"

import os
import signal

if os.fork() == 0:
    while True:
        signal.pause()
os.kill(-1, signal.SIGKILL)
os.wait()
print("alive", flush=True)
os.kill(os.getpid(), signal.SIGKILL)

#: about = "Puts every child into a session of its own, so that no group holds them all."
#: walls = ["kill", "processes"]
#: limits = { processes = 32 }
#: [expect]
#: status = "ok"
#: stdout = "30 sessions\n"
#: processes_killed = 30

import os
import signal

up, tell = os.pipe()
for _ in range(30):
    if os.fork() == 0:
        os.setsid()
        os.write(tell, b"x")
        while True:
            signal.pause()
count = 0
while count < 30:
    count += len(os.read(up, 30))
print(count, "sessions")

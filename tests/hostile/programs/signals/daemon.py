#: about = "Leaves a daemon behind by a double fork and a session of its own, and ends."
#: walls = ["kill"]
#: [expect]
#: status = "ok"
#: stdout = "the daemon is up\n"
#: processes_killed = 1
#: wall_seconds_max = 8.0

import os
import signal

up, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.chdir("/")
    # It keeps stdout and stderr open: nobody may wait for it to close them.
    os.write(tell, b"x")
    while True:
        signal.pause()
os.wait()
os.read(up, 1)
print("the daemon is up")

#: about = "Leaves files, sockets, pipes, a held lock and a process in the hope that the next case finds one."
#: walls = ["emptied_between_cases", "kill", "job_uid"]
#: cases = [{ name = "leaves", args = ["leave"] }, { name = "looks" }]
#: [expect]
#: status = "ok"
#: [[expect.cases]]
#: name = "leaves"
#: status = "ok"
#: stdout = "left\n"
#: processes_killed = 1
#: [[expect.cases]]
#: name = "looks"
#: status = "ok"
#: stdout = ["/box ['main.py']", "/tmp []", "/dev/shm []", "processes []", "main.py is as it was True", "abstract ECONNREFUSED"]

import errno
import fcntl
import os
import signal
import socket
import sys

if "leave" in sys.argv:
    up, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        server = socket.socket(socket.AF_UNIX)
        server.bind("\0meet")
        server.listen()
        for folder in ("/box", "/tmp", "/dev/shm"):
            os.mkfifo(folder + "/.pipe")
            socket.socket(socket.AF_UNIX).bind(folder + "/socket")
            fcntl.flock(os.open(folder + "/lock", os.O_CREAT | os.O_RDWR), fcntl.LOCK_EX)
        os.write(tell, b"x")
        while True:
            signal.pause()
    os.read(up, 1)
    with open("/box/main.py", "a") as file:
        file.write("\nprint('changed')")
    print("left")
else:
    for folder in ("/box", "/tmp", "/dev/shm"):
        print(folder, os.listdir(folder))
    # The parent is PID 1, or a warm interpreter.
    mine = {"1", str(os.getpid()), str(os.getppid())}
    print("processes", [name for name in os.listdir("/proc") if name.isdigit() and name not in mine])
    print("main.py is as it was", "print('changed')" not in open("/box/main.py").read().splitlines())
    try:
        socket.socket(socket.AF_UNIX).connect("\0meet")
    except OSError as error:
        print("abstract", errno.errorcode[error.errno])

#: about = "Leaves a process behind that swaps a file for a link over and over while the files are collected."
#: walls = ["kill", "artifact_links"]
#: artifacts = ["done"]
#: [expect]
#: status = "ok"
#: artifacts = [{ path = "done", content = "done" }]
#: processes_killed = 1

import os

up, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.close(1)
    os.close(2)
    os.write(tell, b"x")
    while True:
        os.symlink("/etc/passwd", "/box/swap")
        os.rename("/box/swap", "/box/other")
        with open("/box/swap", "w"):
            pass
        os.rename("/box/swap", "/box/other")
os.read(up, 1)
with open("/box/done", "w") as file:
    file.write("done")

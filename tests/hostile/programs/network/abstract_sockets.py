#: about = "Looks for abstract and named sockets of the host: Docker's, containerd's, the bus, the display."
#: walls = ["network", "read_only_root"]
#: [expect]
#: status = "ok"
#: stdout = ["abstract []", "named []"]

import os
import socket
import stat

names = [b"\0/containerd-shim/", b"\0dbus", b"\0/tmp/.X11-unix/X0", b"\0tester-worker", b"\0/org/kernel/linux/storage/multipathd"]
names += [b"\0" + line.split()[-1][1:].encode() for line in open("/proc/net/unix").read().splitlines()[1:] if " @" in line]
reached = []
for name in names:
    try:
        socket.socket(socket.AF_UNIX).connect(name)
        reached.append(name)
    except OSError:
        pass
print("abstract", reached)
named = []
for folder, folders, files in os.walk("/"):
    if folder in ("/proc", "/sys"):
        folders.clear()
    for file in files:
        try:
            if stat.S_ISSOCK(os.lstat(os.path.join(folder, file)).st_mode):
                named.append(os.path.join(folder, file))
        except OSError:
            pass
print("named", named)

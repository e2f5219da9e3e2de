#: about = "Leaves pipes and sockets that whoever reads them would wait on for ever."
#: walls = ["artifact_links"]
#: artifacts = ["*"]
#: [expect]
#: status = "ok"
#: artifacts_refused = [{ path = "pipe", reason = "fifo" }, { path = "socket", reason = "socket" }]

import os
import socket

os.mkfifo("/box/pipe")
socket.socket(socket.AF_UNIX).bind("/box/socket")
os.remove("/box/main.py")

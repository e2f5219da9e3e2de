#: about = "Hoards descriptors where no limit of a process counts them: sent through a socket and never received."
#: walls = ["open_files"]
#: limits = { open_files = 256 }
#: [expect]
#: status = "ok"
#: stdout = "300 in flight, then ETOOMANYREFS\n"

import array
import errno
import os
import socket

here, there = socket.socketpair()
file = os.open("/dev/null", os.O_RDONLY)
sent = 0
try:
    while True:
        rights = array.array("i", [file] * 100)
        here.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)], socket.MSG_DONTWAIT)
        sent += 100
except OSError as error:
    print(f"{sent} in flight, then {errno.errorcode[error.errno]}")

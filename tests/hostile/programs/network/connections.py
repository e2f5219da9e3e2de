#: about = "Opens connections to itself until it is refused, and leaves every one unanswered."
#: walls = ["open_files"]
#: limits = { open_files = 100 }
#: [expect]
#: status = "ok"
#: stdout = ["96 connections, then EMFILE", "accept EMFILE"]

import errno
import socket

server = socket.create_server(("127.0.0.1", 0), backlog=4096)
connections = []
try:
    while True:
        connections.append(socket.socket())
        connections[-1].connect(server.getsockname())
except OSError as error:
    print(len(connections), "connections, then", errno.errorcode[error.errno])
try:
    server.accept()
except OSError as error:
    print("accept", errno.errorcode[error.errno])

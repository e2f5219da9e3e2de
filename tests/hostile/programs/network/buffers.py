#: about = "Fills the buffers of local sockets that nobody reads and asks for larger ones."
#: walls = ["open_files", "memory"]
#: limits = { open_files = 64 }
#: [expect]
#: status = "ok"
#: stdout = ["30 pairs, then EMFILE", "every one was filled", "largest buffer True"]

import errno
import socket

pairs = []
try:
    while True:
        pairs.append(socket.socketpair())
except OSError as error:
    print(len(pairs), "pairs, then", errno.errorcode[error.errno])
full = 0
for here, _ in pairs:
    here.setblocking(False)
    try:
        while True:
            here.send(b"x" * 4096)
    except BlockingIOError:
        full += 1
print("every one was filled" if full == len(pairs) else full)
pairs.pop()
pairs[0][0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)
print("largest buffer", pairs[0][0].getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < 1 << 30)

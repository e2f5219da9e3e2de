#: about = "Connects to the cloud's metadata service, private networks, the internet and the host's bridge."
#: walls = ["network"]
#: [expect]
#: status = "ok"
#: stdout = ["169.254.169.254 ENETUNREACH ENETUNREACH", "10.0.0.1 ENETUNREACH ENETUNREACH", "172.17.0.1 ENETUNREACH ENETUNREACH", "192.168.0.1 ENETUNREACH ENETUNREACH", "1.1.1.1 ENETUNREACH ENETUNREACH", "255.255.255.255 ENETUNREACH ENETUNREACH"]

import errno
import socket


def tried(attempt):
    try:
        attempt()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]


for host in ("169.254.169.254", "10.0.0.1", "172.17.0.1", "192.168.0.1", "1.1.1.1", "255.255.255.255"):
    stream, datagram = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
    datagram.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    stream.settimeout(5)
    connected = tried(lambda: stream.connect((host, 80)))
    print(host, connected, tried(lambda: datagram.sendto(b"x", (host, 53))))

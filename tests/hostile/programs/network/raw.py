#: about = "Makes raw sockets, which need a capability, and forges the source of packets."
#: walls = ["capabilities"]
#: [expect]
#: status = "ok"
#: stdout = ["raw ICMP EPERM", "raw IP EPERM", "raw ICMPv6 refused", "transparent EPERM", "mark EPERM", "force buffer EPERM", "priority EPERM"]

import errno
import socket


def tried(attempt):
    try:
        attempt()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]


print("raw ICMP", tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)))
print("raw IP", tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)))
six = tried(lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6))
print("raw ICMPv6", "refused" if six in ("EPERM", "EAFNOSUPPORT") else six)
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
IP_TRANSPARENT, SO_MARK, SO_SNDBUFFORCE = 19, 36, 32
print("transparent", tried(lambda: one.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)))
print("mark", tried(lambda: one.setsockopt(socket.SOL_SOCKET, SO_MARK, 7)))
print("force buffer", tried(lambda: one.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 30)))
print("priority", tried(lambda: one.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 7)))

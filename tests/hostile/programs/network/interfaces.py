#: about = "Looks for interfaces and routes, and brings up what it finds."
#: walls = ["network", "capabilities", "socket_families"]
#: [expect]
#: status = "ok"
#: stdout = ["interfaces ['lo']", "routes 0", "address EPERM", "up EPERM", "route EPERM", "bridge EPERM", "netlink EAFNOSUPPORT"]

import errno
import fcntl
import os
import socket
import struct


def tried(attempt):
    try:
        attempt()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]


print("interfaces", sorted(os.listdir("/sys/class/net")))
print("routes", len(open("/proc/net/route").read().splitlines()) - 1)
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
SIOCSIFADDR, SIOCSIFFLAGS, SIOCADDRT, SIOCBRADDBR = 0x8916, 0x8914, 0x890B, 0x89A0
address = struct.pack("=16sHH4s8x", b"lo", socket.AF_INET, 0, socket.inet_aton("10.0.0.2"))
print("address", tried(lambda: fcntl.ioctl(one, SIOCSIFADDR, address)))
print("up", tried(lambda: fcntl.ioctl(one, SIOCSIFFLAGS, struct.pack("=16sH22x", b"lo", 0))))
print("route", tried(lambda: fcntl.ioctl(one, SIOCADDRT, bytes(120))))
print("bridge", tried(lambda: fcntl.ioctl(one, SIOCBRADDBR, b"br0\0")))
print("netlink", tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)))

#: about = "Tries the same over IPv6: global, link-local, multicast and mapped addresses."
#: walls = ["network"]
#: [expect]
#: status = "ok"
#: stdout = ["2001:db8::1 unreachable", "fe80::1 unreachable", "ff02::1 unreachable", "fd00:ec2::254 unreachable", "::ffff:169.254.169.254 unreachable"]

import errno
import socket

# Where the kernel has no IPv6, or none here, it says so in other words.
UNREACHABLE = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL}
for host in ("2001:db8::1", "fe80::1", "ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254"):
    try:
        stream = socket.socket(socket.AF_INET6)
        stream.settimeout(5)
        stream.connect((host, 80))
        print(host, "connected")
    except OSError as error:
        print(host, "unreachable" if error.errno in UNREACHABLE else error)

#: about = "Reaches for protocols besides TCP and UDP on the families that it may use."
#: walls = ["capabilities", "network"]
#: [expect]
#: status = "ok"
#: stdout = ["SCTP leads nowhere", "DCCP leads nowhere", "UDP-Lite leads nowhere", "MPTCP leads nowhere", "ping leads nowhere", "packets EPERM"]

import errno
import socket

# Without a route, or not built in, or of a module that is loaded for nobody without power: that is the host's matter.
NOWHERE = {errno.ENETUNREACH, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EACCES, errno.ENOPROTOOPT}
# The kernel takes the second for a packet socket, whatever the family: behind the back of any filter.
SOCK_DCCP, SOCK_PACKET = 6, 10
for name, kind, protocol in [
    ("SCTP", socket.SOCK_SEQPACKET, 132),
    ("DCCP", SOCK_DCCP, 33),
    ("UDP-Lite", socket.SOCK_DGRAM, 136),
    ("MPTCP", socket.SOCK_STREAM, 262),
    ("ping", socket.SOCK_DGRAM, socket.IPPROTO_ICMP),
    ("packets", SOCK_PACKET, 0x300),
]:
    try:
        one = socket.socket(socket.AF_INET, kind, protocol)
        one.settimeout(5)
        one.connect(("1.1.1.1", 9))
        print(name, "connected")
    except OSError as error:
        print(name, "leads nowhere" if error.errno in NOWHERE else errno.errorcode[error.errno])

#: about = "Makes a socket of every family that there is."
#: walls = ["socket_families", "deny_list"]
#: [expect]
#: status = "ok"
#: stdout = ["families [1, 2, 10]", "refused with EAFNOSUPPORT", "pairs [1]"]

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
SOCK_DGRAM = 2
families, refusals, pairs = [], set(), []
room = (ctypes.c_int * 2)()
for family in range(0, 64):
    if libc.socket(family, SOCK_DGRAM, 0) >= 0:
        families.append(family)
    else:
        refusals.add(errno.errorcode[ctypes.get_errno()])
    if libc.socketpair(family, SOCK_DGRAM, 0, room) == 0:
        pairs.append(family)
print("families", families)
print("refused with", *sorted(refusals))
print("pairs", pairs)

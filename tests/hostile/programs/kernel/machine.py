#: about = "Stops, renames and rebuilds the machine: modules, swap, quotas, reboot, host name, ports."
#: walls = ["deny_list", "capabilities"]
#: [expect]
#: status = "ok"
#: stdout = ["init_module EPERM", "finit_module EPERM", "delete_module EPERM", "kexec_load EPERM", "kexec_file_load EPERM", "reboot EPERM", "swapon EPERM", "swapoff EPERM", "quotactl EPERM", "acct EPERM", "vhangup EPERM", "sethostname EPERM", "setdomainname EPERM", "iopl EPERM", "ioperm EPERM", "modify_ldt EPERM"]

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
room = ctypes.create_string_buffer(256)
for name, call in {
    "init_module": (175, room, 256, b""),
    "finit_module": (313, 0, b"", 0),
    "delete_module": (176, b"ext4", 0),
    "kexec_load": (246, 0, 0, None, 0),
    "kexec_file_load": (320, 0, 0, 0, None, 0),
    "reboot": (169, 0xFEE1DEAD, 672274793, 0x1234567, None),
    "swapon": (167, b"/box/main.py", 0),
    "swapoff": (168, b"/box/main.py"),
    "quotactl": (179, 0x800007, b"/dev/vda", 0, room),
    "acct": (163, b"/box/main.py"),
    "vhangup": (153,),
    "sethostname": (170, b"mine", 4),
    "setdomainname": (171, b"mine", 4),
    "iopl": (172, 3),
    "ioperm": (173, 0x80, 1, 1),
    "modify_ldt": (154, 0, room, 64),
}.items():
    libc.syscall(*call)
    print(name, errno.errorcode[ctypes.get_errno()])

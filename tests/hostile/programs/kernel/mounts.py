#: about = "Mounts, unmounts and moves file systems by the old calls and by the new ones."
#: walls = ["deny_list", "capabilities"]
#: [expect]
#: status = "ok"
#: stdout = ["mount EPERM", "remount EPERM", "umount EPERM", "pivot_root EPERM", "chroot EPERM", "fsopen EPERM", "fsconfig EPERM", "fsmount EPERM", "fspick EPERM", "open_tree EPERM", "move_mount EPERM", "mount_setattr EPERM", "open_tree_attr EPERM"]

import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, MS_REMOUNT = -100, 32
room = ctypes.create_string_buffer(64)
for name, call in {
    "mount": (165, b"none", b"/tmp", b"tmpfs", 0, None),
    "remount": (165, b"none", b"/", None, MS_REMOUNT, None),
    "umount": (166, b"/proc/sys", 2),
    "pivot_root": (155, b"/box", b"/box"),
    "chroot": (161, b"/box"),
    "fsopen": (430, b"tmpfs", 0),
    "fsconfig": (431, 3, 6, None, None, 0),
    "fsmount": (432, 3, 0, 0),
    "fspick": (433, AT_FDCWD, b"/", 0),
    "open_tree": (428, AT_FDCWD, b"/", 1),
    "move_mount": (429, AT_FDCWD, b"/box", AT_FDCWD, b"/tmp", 0),
    "mount_setattr": (442, AT_FDCWD, b"/", 0, room, 32),
    "open_tree_attr": (467, AT_FDCWD, b"/", 1, room, 32),
}.items():
    libc.syscall(*call)
    print(name, errno.errorcode[ctypes.get_errno()])

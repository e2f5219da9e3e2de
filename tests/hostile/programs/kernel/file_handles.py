#: about = "Opens files by handle, which leads out of every mount."
#: walls = ["deny_list"]
#: [expect]
#: status = "ok"
#: stdout = ["name_to_handle_at EPERM", "open_by_handle_at EPERM", "a handle of the root's first inode EPERM"]

import ctypes
import errno
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
room = ctypes.create_string_buffer(256)
root = os.open("/", os.O_RDONLY)
mount = ctypes.c_int()
libc.syscall(303, root, b"etc", room, ctypes.byref(mount), 0)
print("name_to_handle_at", errno.errorcode[ctypes.get_errno()])
libc.syscall(304, root, room, os.O_RDONLY)
print("open_by_handle_at", errno.errorcode[ctypes.get_errno()])
# struct file_handle: eight bytes of a FILEID_INO32_GEN, inode 2.
handle = struct.pack("=IiII", 8, 1, 2, 0)
libc.syscall(304, root, handle, os.O_RDONLY)
print("a handle of the root's first inode", errno.errorcode[ctypes.get_errno()])

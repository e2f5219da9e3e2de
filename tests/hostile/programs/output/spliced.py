#: about = "Moves pages into its stdout without a copy: splice, tee and vmsplice."
#: walls = ["output"]
#: limits = { stdout_bytes = 8192 }
#: [expect]
#: status = "output_limit"
#: limit = "stdout"
#: stdout = { fill = "s", bytes = 8192 }
#: stdout_bytes = 12288
#: stdout_truncated = true

import ctypes
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]


with open("/box/file", "wb") as file:
    file.write(b"s" * 4096)
file = os.open("/box/file", os.O_RDONLY)
assert os.splice(file, 1, 4096) == 4096
out, into = os.pipe()
os.write(into, b"s" * 4096)
assert libc.tee(out, 1, ctypes.c_size_t(4096), 0) == 4096
vector = Vector(b"s" * 4096, 4096)
assert libc.vmsplice(1, ctypes.byref(vector), ctypes.c_ulong(1), 0) == 4096
signal.pause()

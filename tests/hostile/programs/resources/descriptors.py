#: about = "Opens files until it is refused, and then wants a higher limit."
#: walls = ["open_files"]
#: limits = { open_files = 64 }
#: [expect]
#: status = "ok"
#: stdout = ["61 files, then EMFILE", "raise EPERM"]

import errno
import os
import resource

files = []
try:
    while True:
        files.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    print(f"{len(files)} files, then {errno.errorcode[error.errno]}")
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
except ValueError:
    print("raise EPERM")

#: about = "Makes names without files: hard links, symbolic links and folders, which are memory too."
#: walls = ["scratch_files"]
#: limits = { scratch_files = 300 }
#: [expect]
#: status = "ok"
#: stdout = ["hard ENOSPC below 300", "symbolic ENOSPC below 300", "folder ENOSPC below 300"]

import errno
import os
import shutil

makers = {
    "hard": lambda path: os.link("/box/file", path),
    "symbolic": lambda path: os.symlink("x" * 1000, path),
    "folder": os.mkdir,
}
for name, make in makers.items():
    os.mkdir("/box/many")
    open("/box/file", "w").close()
    made = 0
    try:
        while True:
            make(f"/box/many/{made}")
            made += 1
    except OSError as error:
        print(name, errno.errorcode[error.errno], "below" if 285 < made < 300 else made, 300)
    shutil.rmtree("/box/many")
    os.remove("/box/file")

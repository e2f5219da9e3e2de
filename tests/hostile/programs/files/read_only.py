#: about = "Looks for a folder that it can write to, everywhere."
#: walls = ["read_only_root", "job_uid"]
#: [expect]
#: status = "ok"
#: stdout = "['/box', '/dev/shm', '/tmp']\n"

import os

writable = []
for folder, folders, _ in os.walk("/"):
    if folder in ("/proc", "/sys"):
        folders.clear()
        continue
    try:
        with open(folder + "/probe", "w"):
            writable.append(folder)
        os.remove(folder + "/probe")
    except OSError:
        pass
print(sorted(writable))

#: about = "Looks for thirty thousand names that are not there, each of which the kernel remembers."
#: walls = ["memory"]
#: [expect]
#: status = "ok"
#: stdout = "none is there\n"

import os

found = 0
for number in range(30_000):
    found += os.path.exists(f"/box/{number:0200d}")
print("none is there" if found == 0 else found)

#: about = "Leaves a thousand small files where a few were wanted."
#: walls = ["scratch_files"]
#: artifacts = ["out/*.txt"]
#: limits = { scratch_files = 2000 }
#: [expect]
#: status = "ok"

import os

os.mkdir("/box/out")
for number in range(300):
    with open(f"/box/out/{number:04}.txt", "w") as file:
        file.write("x")

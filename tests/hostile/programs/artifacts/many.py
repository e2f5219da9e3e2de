#: about = "Leaves more small files than a result may have."
#: walls = ["scratch_files"]
#: artifacts = ["out/*.txt"]
#: limits = { scratch_files = 2000 }
#: [expect]
#: status = "ok"
#: artifacts_numbered = { before = "out/", digits = 4, after = ".txt", count = 256, content = "x" }
#: artifacts_refused = [{ path = "out/0256.txt", reason = "too_many" }, { path = "out/0257.txt", reason = "too_many" }]

import os

os.mkdir("/box/out")
for number in range(258):
    with open(f"/box/out/{number:04}.txt", "w") as file:
        file.write("x")

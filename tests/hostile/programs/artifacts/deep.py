#: about = "Buries a wanted file deeper than anybody looks."
#: walls = ["scratch_files"]
#: artifacts = ["**/treasure"]
#: [expect]
#: status = "ok"
#: artifacts = [{ path = "d/treasure", content = "found" }]
#: artifacts_refused = [{ path = "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d", reason = "too_deep" }]

import os

os.makedirs("/box/d")
with open("/box/d/treasure", "w") as file:
    file.write("found")
os.makedirs("/box/" + "d/" * 100)
with open("/box/" + "d/" * 100 + "treasure", "w") as file:
    file.write("buried")

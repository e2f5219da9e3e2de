#: about = "Leaves a file of 64 MiB that takes no room at all."
#: walls = ["file_size"]
#: artifacts = ["sparse", "small"]
#: [expect]
#: status = "ok"
#: artifacts = [{ path = "small", content = "small" }]
#: artifacts_refused = [{ path = "sparse", reason = "too_large" }]

import os

with open("/box/sparse", "wb") as file:
    file.truncate(64 << 20)
with open("/box/small", "w") as file:
    file.write("small")

#: about = "Gives one file a hundred names, so that its bytes come back as often."
#: walls = ["scratch_size"]
#: artifacts = ["many/*"]
#: limits = { scratch_files = 600 }
#: [expect]
#: status = "ok"
#: artifacts = [{ path = "many/0", content = { fill = "x", bytes = 2097152 } }, { path = "many/1", content = { fill = "x", bytes = 2097152 } }]
#: artifacts_refused = [{ path = "many/2", reason = "too_large" }, { path = "many/3", reason = "too_large" }, { path = "many/4", reason = "too_large" }]

import os

os.mkdir("/box/many")
with open("/box/many/0", "wb") as file:
    file.write(b"x" * 2097152)
for number in range(1, 5):
    os.link("/box/many/0", f"/box/many/{number}")
